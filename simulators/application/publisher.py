"""Hands events to a broker, QoS 1, in the thread of the event loop: some 3 µs each.

paho takes 50 to 130 µs for one, which is all the time that there is for ten thousand a second.
At most `window` events are unacknowledged. A connection that is lost is made again, and what was
not acknowledged goes once more, marked as such.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from khaen import log
from khaen.backoff import Backoff
from khaen.errors import NotRunnable
from khaen.mqtt import MqttSettings
from simulators.application import packets
from simulators.application.connection import Connection
from simulators.application.form import Event

WINDOW: Final = 1000
_LAST_ID: Final = 65_535
_LONGEST_PAUSE_S: Final = 3.0
_log = log.logger()


class Publisher:
    """An asynchronous context manager. MQTT 3.1.1 is spoken, whatever `settings.version` says.

    Entering raises NotRunnable where the broker cannot be reached or refuses us.
    """

    def __init__(self, settings: MqttSettings, *, client_id: str, window: int = WINDOW) -> None:
        self.published = 0
        """Events that the broker acknowledged."""
        self._settings, self._client_id, self._window = settings, client_id, window
        self._in_flight: dict[int, bytes] = {}
        self._last_id = 0
        self._connection: Connection | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        await asyncio.sleep(0)  # the loop closes sockets in its next turn

    @property
    def in_flight(self) -> int:
        """Events that were handed over and are not acknowledged."""
        return len(self._in_flight)

    async def publish(self, event: Event) -> None:
        """Hand over an event; waits while the window is full, or the broker is away."""
        while (connection := self._connection) is None or len(self._in_flight) >= self._window:
            await self._progress()
        self._last_id = self._last_id % _LAST_ID + 1
        while self._last_id in self._in_flight:
            self._last_id = self._last_id % _LAST_ID + 1
        packet = packets.publish(event.topic, event.payload, self._last_id)
        self._in_flight[self._last_id] = packet
        connection.write(packet)

    async def drain(self) -> None:
        """Wait until the broker has acknowledged everything."""
        while self._in_flight:
            await self._progress()

    async def _progress(self) -> None:
        """Wait until something was acknowledged or lost; connect again where it was lost."""
        self._changed.clear()
        if self._connection is None:
            await self._return()
        else:
            self._connection.flush()
            await self._changed.wait()

    async def _connect(self) -> Connection:
        self._connection = await Connection.open(
            self._settings, self._client_id, acked=self._acked, lost=self._lost
        )
        return self._connection

    async def _return(self) -> None:
        backoff = Backoff(cap=_LONGEST_PAUSE_S)
        while self._connection is None:
            try:
                connection = await self._connect()
            except NotRunnable as error:
                _log.warning("broker_away", reason=str(error))
                await asyncio.sleep(backoff.next())
                continue
            for packet in self._in_flight.values():
                connection.write(packets.again(packet))

    def _acked(self, packet_id: int) -> None:
        if self._in_flight.pop(packet_id, None) is not None:
            self.published += 1
            self._changed.set()

    def _lost(self) -> None:
        self._connection = None
        self._changed.set()
