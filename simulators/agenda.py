"""What happens when: everything simulated is put on one agenda, so that one driver moves all of it.

Time is in seconds from the simulation's start and does not go back. What is put down for a time
that is over happens next, at the time that it is now.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

Act = Callable[[float], object]
"""Told the time at which it happens, in seconds; what it returns is not read."""

NEVER: Final = math.inf


def _do_nothing() -> None:
    return


class Agenda:
    """Acts in the order of their time, and of their entry where the times are the same."""

    __slots__ = ("_due", "_order", "hastened", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """The time of the last act."""
        self.hastened: Callable[[], None] = _do_nothing
        """Told when something comes before all that was due, for whoever waits for that."""
        self._due: list[tuple[float, int, Act]] = []
        self._order = itertools.count()

    def at(self, seconds: float, perform: Act) -> None:
        """Have something happen at a time."""
        entry = (seconds, next(self._order), perform)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self.hastened()

    @property
    def next_at(self) -> float:
        """When something happens next; infinity while nothing is put down."""
        return max(self.now, self._due[0][0]) if self._due else NEVER

    def step(self) -> None:
        """Do what is due next. Raises IndexError where nothing is."""
        due, _, perform = heapq.heappop(self._due)
        if due > self.now:
            self.now = due
        perform(self.now)


class AgendaClock:
    """A clock that shows an agenda's time, for all that lives in the simulation."""

    __slots__ = ("_agenda", "_start")

    def __init__(self, agenda: Agenda, start: datetime) -> None:
        self._agenda, self._start = agenda, start

    def now(self) -> datetime:
        """The simulated time of day."""
        return self._start + timedelta(seconds=self._agenda.now)

    def monotonic(self) -> float:
        """Simulated seconds since the start."""
        return self._agenda.now
