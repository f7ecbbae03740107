"""An elder's day: sleep, walks, a nap, and the hour at which her band is charged.

A day depends on the seed and its date alone, so it is the same from wherever a simulation starts.
Hours are those of a village: early to rise, early to bed. They are assumptions, not a survey.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from random import Random
from typing import Final

BANGKOK: Final = timezone(timedelta(hours=7), "Asia/Bangkok")
"""Without daylight saving since 1920."""
_WALKS: Final = (6.0, 8.5, 10.5, 15.0, 16.6)
"""Hours about which she may walk: alms, market, neighbours, garden, the evening."""
_CHARGE_HOURS: Final = 1.3


class Activity(enum.StrEnum):
    """What an elder is doing."""

    ASLEEP = "asleep"
    RESTING = "resting"
    WALKING = "walking"
    FALLEN = "fallen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What she does from `start` to before `end`, and where her band is.

    Times are in UTC, as are those that they are compared with: across zones it costs 20 times that.
    """

    start: datetime
    end: datetime
    activity: Activity
    worn: bool = True
    charging: bool = False


class Days:
    """The days of one elder. Plans are made when asked and not kept: elders are many."""

    __slots__ = ("_charges", "_goes_to_bed", "_rises", "_seed")

    def __init__(self, seed: str) -> None:
        rng = Random(seed)
        self._seed = seed
        self._rises = rng.uniform(4.6, 5.7)
        self._goes_to_bed = rng.uniform(21.0, 21.9)
        self._charges = rng.uniform(17.7, 19.3)

    def at(self, at: datetime) -> Stretch:
        """What the plan says for a time."""
        plan = self._plan(at.astimezone(BANGKOK).date())
        return next(stretch for stretch in plan if at < stretch.end)

    def _plan(self, day: date) -> tuple[Stretch, ...]:
        rng = Random(f"{self._seed}|{day}")
        midnight = datetime.combine(day, time(), BANGKOK).astimezone(UTC)
        nap = rng.uniform(12.8, 13.4)
        busy = [
            (0.0, self._rises + rng.uniform(-0.1, 0.1), Activity.ASLEEP, False),
            (nap, nap + rng.uniform(0.5, 1.2), Activity.ASLEEP, False),
            (self._charges, self._charges + _CHARGE_HOURS, Activity.RESTING, True),
            (self._goes_to_bed + rng.uniform(-0.1, 0.1), 24.0, Activity.ASLEEP, False),
        ]
        for hour in rng.sample(_WALKS, rng.randint(3, 4)):
            begin = hour + rng.uniform(0.0, 0.6)
            busy.append((begin, begin + rng.uniform(0.2, 0.4), Activity.WALKING, False))
        stretches: list[Stretch] = []
        done = midnight
        for begin, end, activity, charging in sorted(busy):
            start = midnight + timedelta(hours=begin)
            if start > done:
                stretches.append(Stretch(start=done, end=start, activity=Activity.RESTING))
            done = midnight + timedelta(hours=end)
            stretches.append(
                Stretch(
                    start=start, end=done, activity=activity, worn=not charging, charging=charging
                )
            )
        return tuple(stretches)
