"""What moves an agenda: as fast as it can, at real time, or so many times that."""

from __future__ import annotations

import asyncio
import math

from khaen.clock import Clock
from simulators.agenda import NEVER, Agenda

FASTEST = math.inf
"""A speed: as fast as it can."""
LONGEST_WAIT_S = 0.5
"""Real seconds after which it looks at the clock again, whatever happens."""
_AT_ONCE = 256
"""Acts between two looks at what else the event loop has to do."""


class Drive:
    """Moves an agenda by a real clock, from the moment when it is made.

    `speed` is simulated seconds for each real one. One agenda has one drive.
    """

    def __init__(
        self,
        agenda: Agenda,
        clock: Clock,
        *,
        speed: float = 1.0,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        if speed <= 0:
            raise ValueError("time goes forward: a speed is above 0")
        self._agenda, self._clock, self._speed = agenda, clock, speed
        self._longest_wait_s = longest_wait_s
        self._began, self._first = clock.monotonic(), agenda.now
        self._changed = asyncio.Event()
        agenda.hastened = self._changed.set

    @property
    def now(self) -> float:
        """Simulated seconds: what the clock says, or how far it came where it goes at its best."""
        if self._speed == FASTEST:
            return self._agenda.now
        return self._first + (self._clock.monotonic() - self._began) * self._speed

    async def run(self, until: float = NEVER) -> None:
        """Go on until nothing is due before `until`; without it until cancelled.

        As fast as it can, it also ends when nothing is due at all.
        """
        while True:
            limit = until if self._speed == FASTEST else min(self.now, until)
            for _ in range(_AT_ONCE):
                if self._agenda.next_at > limit or self._agenda.next_at == NEVER:
                    break
                self._agenda.step()
            else:
                await asyncio.sleep(0)
                continue
            if self._speed == FASTEST or self.now >= until:
                return
            await self._sleep(min(self._agenda.next_at, until) - self.now)

    def look(self) -> None:
        """Look at the agenda now."""
        self._changed.set()

    async def _sleep(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(min(max(0.0, seconds / self._speed), self._longest_wait_s)):
                await self._changed.wait()
        except TimeoutError:
            return
