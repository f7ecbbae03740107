"""Bins and containers: they fill by weekday and by the hours people are about, and are emptied.

How fast, and on which days the lorry comes, are assumptions; a round now and then is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from simulators.city.hours import day_of, weekday_of

_AWAKE: Final = (6.0, 22.0)
_LEFT_OVER: Final = 0.03
_ROUNDS_BACK: Final = 30
"""Days after which nobody asks when it was emptied last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What is thrown away, and who takes it.

    `rate` is the share of the container that a usual day fills; `weekdays` says how much more or
    less, Monday first; `rounds` are the weekdays of the lorry, which comes about `hour`.
    """

    rate: float
    weekdays: tuple[float, ...]
    rounds: frozenset[int]
    hour: float
    missed: float


STREET: Final = Habit(
    rate=0.30,
    weekdays=(1.0, 0.9, 0.9, 0.9, 1.1, 1.3, 1.2),
    rounds=frozenset({0, 2, 4, 5}),
    hour=5.5,
    missed=0.05,
)
MARKET: Final = Habit(
    rate=0.70,
    weekdays=(0.9, 0.8, 0.9, 0.9, 1.1, 1.3, 1.3),
    rounds=frozenset(range(7)),
    hour=20.5,
    missed=0.04,
)
CLINIC: Final = Habit(
    rate=0.13,
    weekdays=(1.3, 1.2, 1.1, 1.1, 1.1, 0.3, 0.2),
    rounds=frozenset({4}),
    hour=15.5,
    missed=0.02,
)


class Filling:
    """How full one container is; `pace` makes it quicker or slower than its habit."""

    def __init__(self, seed: str, habit: Habit, pace: float) -> None:
        self._seed, self._habit, self._pace = seed, habit, pace
        self._emptied = lru_cache(maxsize=8)(self._round)

    def at(self, hours: float) -> float:
        """The full share, 0 to 1; a container that overflows is full."""
        today = day_of(hours)
        full = _LEFT_OVER
        for day in range(today, today - _ROUNDS_BACK, -1):
            until = hours if day == today else 24.0 * (day + 1)
            emptied = self._emptied(day)
            if emptied is not None and emptied <= until:
                return min(1.0, full + self._thrown(day, emptied, until))
            full += self._thrown(day, 24.0 * day, until)
        return min(1.0, full)

    def _round(self, day: int) -> float | None:
        """When the lorry empties it on a day."""
        if weekday_of(day) not in self._habit.rounds:
            return None
        rng = Random(f"{self._seed}|round|{day}")
        if rng.random() < self._habit.missed:
            return None
        return 24.0 * day + self._habit.hour + rng.uniform(-0.7, 0.7)

    def _thrown(self, day: int, since: float, until: float) -> float:
        """The share that is thrown in within a day, between two times of it."""
        begin, end = 24.0 * day + _AWAKE[0], 24.0 * day + _AWAKE[1]
        awake = max(0.0, min(until, end) - max(since, begin)) / (end - begin)
        return awake * self._habit.rate * self._pace * self._habit.weekdays[weekday_of(day)]
