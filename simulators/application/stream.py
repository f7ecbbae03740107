"""Sets the pace: moves a site's agenda and hands over what its uplinks make of events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from khaen.clock import Clock
from simulators.air.radio import Hearing
from simulators.application.form import Event, Form, Sink
from simulators.application.uplinks import Uplinks
from simulators.devices.device import Transmission
from simulators.traffic import Traffic

_AHEAD_S: Final = 0.005
"""Shorter waits are not worth a turn of the event loop."""
_TURN: Final = 256
"""So many uplinks, and the event loop has a turn however late they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How fast: `speed` simulated seconds a second (infinity: as fast as it goes), or `rate`
    uplinks a second however much time that is for the devices.
    """

    speed: float = 1.0
    rate: float | None = None


class Stream:
    """The events of a site's traffic. `dated` is the time of the first second; with None every
    uplink is dated when it is handed over, by the clock.
    """

    def __init__(
        self,
        traffic: Traffic,
        uplinks: Uplinks,
        form: Form,
        clock: Clock,
        *,
        dated: datetime | None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.uplinks = self.events = self.unheard = 0
        self._traffic, self._opener, self._form = traffic, uplinks, form
        self._clock, self._dated, self._sleep = clock, dated, sleep
        self._ready: list[Event] = []
        traffic.listen(self._hear)

    async def run(self, sink: Sink, tempo: Tempo, *, seconds: float = math.inf) -> None:
        """Hand over what comes in `seconds` of the uplinks' own time, then wait for the sink."""
        begun, first = self._clock.monotonic(), self._clock.now()
        while (next_at := self._traffic.next_at) < math.inf:
            spent = next_at if self._dated else (self._clock.now() - first).total_seconds()
            if spent >= seconds:
                break
            due = begun + self._due(tempo, next_at)
            if due > self._clock.monotonic() + _AHEAD_S:
                await self._wait(sink, due)
            self._traffic.step()
            if self._ready:
                await self._hand_over(sink)
        await sink.drain()

    def _due(self, tempo: Tempo, next_at: float) -> float:
        return next_at / tempo.speed if tempo.rate is None else self.uplinks / tempo.rate

    async def _wait(self, sink: Sink, due: float) -> None:
        await sink.drain()
        await self._sleep(due - self._clock.monotonic())

    async def _hand_over(self, sink: Sink) -> None:
        for event in self._ready:
            await sink.publish(event)
        self.events += len(self._ready)
        self._ready.clear()
        if not self.uplinks % _TURN:
            await self._sleep(0)

    def _hear(self, sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        if self._dated is None:
            at = self._clock.now()
        else:
            at = self._dated + timedelta(seconds=sent.ends)
        uplink = self._opener.open(sent, hearings, at)
        if uplink is None:
            self.unheard += not hearings
            return
        self.uplinks += 1
        self._ready.extend(self._form.write(uplink))
