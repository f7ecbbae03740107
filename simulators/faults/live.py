"""Faults on a road that is in use: between a simulated packet forwarder and a real agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from khaen.capture import Record, Road
from khaen.clock import Clock
from simulators.faults.faults import Faults


class FaultyRoad:
    """Takes datagrams and lets `transmit` have what passes, when it passes.

    `start` is that of the faults. What is held back waits on the running loop's clock; `close`
    forgets it. `transmit` may raise OSError only where it is called by `send`.
    """

    def __init__(
        self,
        faults: Faults,
        start: datetime,
        clock: Clock,
        transmit: Callable[[bytes], None],
        *,
        road: Road = Road.UDP_UP,
    ) -> None:
        self._faults, self._start, self._clock = faults, start, clock
        self._transmit, self._road = transmit, road
        self._timer: asyncio.TimerHandle | None = None
        self.failed = 0
        """Datagrams that passed late, when there was no road any more."""

    def send(self, datagram: bytes) -> None:
        """Send a datagram by this road. Raises OSError as `transmit` does."""
        record = Record(at=self._clock.now(), road=self._road, payload=datagram)
        for passed in self._faults.apply(record):
            self._transmit(passed.payload)
        self._wait()

    def close(self) -> None:
        """Send nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self.close()
        wait = self._faults.next_at - self._now()
        if wait < float("inf"):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, wait), self._release)

    def _release(self) -> None:
        self._timer = None
        self._send_late(self._faults.due(self._now()))
        self._wait()

    def _send_late(self, passed: Iterable[Record]) -> None:
        for record in passed:
            try:
                self._transmit(record.payload)
            except OSError:
                self.failed += 1

    def _now(self) -> float:
        return (self._clock.now() - self._start) / timedelta(seconds=1)
