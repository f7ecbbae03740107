"""Events that faults befall on their way: lost, late, twice, broken."""

from __future__ import annotations

from collections.abc import Iterable

from khaen.capture import Record, Road
from simulators.application.form import Event, Sink
from simulators.faults.faults import Faults


class FaultySink:
    """Hands over to `sink` what faults leave of events, in the events' own time.

    What is held back goes with the first event that is later, or at the end by `finish`.
    """

    def __init__(self, sink: Sink, faults: Faults) -> None:
        self._sink, self.faults = sink, faults

    async def publish(self, event: Event) -> None:
        """As Sink.publish."""
        record = Record(at=event.at, road=Road.MQTT, topic=event.topic, payload=event.payload)
        await self._pass(self.faults.apply(record))

    async def drain(self) -> None:
        """As Sink.drain; what is held back stays."""
        await self._sink.drain()

    async def finish(self) -> None:
        """Let go of what is still held back, and wait for the sink."""
        await self._pass(self.faults.flush())
        await self._sink.drain()

    async def _pass(self, records: Iterable[Record]) -> None:
        for record in records:
            await self._sink.publish(Event(record.at, record.topic, record.payload))
