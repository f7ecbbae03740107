"""Rain: showers that begin mostly in the afternoon, move over the province, and are uneven.

All of a rain day, 07:00 to 07:00 as the Thai Meteorological Department counts it, is drawn from
its date alone. How often and how much follow the climate of the month; the hour, the length and
the unevenness of a shower are assumptions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from simulators.city import climate
from simulators.city.hours import Spot

MORNING: Final = 7.0
"""The hour at which a rain day begins."""
_EARLIEST, _LATEST = 4.0, 18.0  # hours after the morning, so that what moves stays in its day
_AFTERNOON: Final = (9.0, 2.3)  # 16:00, and its spread
_SPEED: Final = 30.0  # km/h
_UNEVEN: Final = 0.8
_SHAPE: Final = 0.75  # of the gamma distribution of a wet day's rain: many small, few heavy
_LEAST: Final = 0.2  # mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Shower:
    """One shower: `amount` mm at the city's middle and on the province's mean.

    It begins there at `start` and lasts `hours`; it moves along (`east`, `north`), and across its
    way its rain comes and goes with a `wave` of so many km.
    """

    start: float
    hours: float
    amount: float
    east: float
    north: float
    wave: float
    phase: float

    def begins(self, spot: Spot) -> float:
        """When it reaches a place."""
        return self.start + (spot.east * self.east + spot.north * self.north) / _SPEED

    def total(self, spot: Spot) -> float:
        """mm that a place gets of it."""
        across = spot.north * self.east - spot.east * self.north
        return self.amount * (
            1.0 + _UNEVEN * math.cos(2 * math.pi * across / self.wave + self.phase)
        )

    def fallen(self, hours: float, spot: Spot) -> float:
        """mm that a place has got of it until a time."""
        share = (hours - self.begins(spot)) / self.hours
        if share <= 0.0:
            return 0.0
        share = min(1.0, share)
        return self.total(spot) * share * share * (3.0 - 2.0 * share)


class Rain:
    """The rain of one city."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self.showers = lru_cache(maxsize=1024)(self._showers)
        """The showers of a rain day."""

    def accumulated(self, hours: float, spot: Spot) -> float:
        """mm since the last 07:00."""
        return sum(s.fallen(hours, spot) for s in self.showers(rain_day(hours)))

    def day(self, day: int, spot: Spot) -> float:
        """mm of a whole rain day, from 07:00 of `day`."""
        return sum(shower.total(spot) for shower in self.showers(day))

    def wetness(self, hours: float, spot: Spot, memory: float) -> float:
        """mm that have fallen, each forgotten by and by: by 1/e in `memory` hours."""
        wet = 0.0
        today = rain_day(hours)
        for day in range(today - math.ceil(4 * memory / 24), today + 1):
            for shower in self.showers(day):
                fallen = shower.fallen(hours, spot)
                if fallen:
                    passed = max(0.0, hours - shower.begins(spot) - shower.hours)
                    wet += fallen * math.exp(-passed / memory)
        return wet

    def _showers(self, day: int) -> tuple[Shower, ...]:
        rng = Random(f"{self._seed}|rain|{day}")
        days = climate.usual(climate.RAIN_DAYS, day)
        if rng.random() >= days / 30.4:
            return ()
        mean = climate.usual(climate.RAIN, day) / days
        amount = max(_LEAST, rng.gammavariate(_SHAPE, mean / _SHAPE))
        share = rng.uniform(0.5, 0.9) if rng.random() < 0.3 else 1.0
        parts = (share, 1.0 - share) if share < 1.0 else (1.0,)
        return tuple(self._shower(rng, day, amount * part) for part in parts)

    def _shower(self, rng: Random, day: int, amount: float) -> Shower:
        after = rng.gauss(*_AFTERNOON) if rng.random() < 0.75 else rng.uniform(_EARLIEST, _LATEST)
        heading = math.radians(rng.gauss(45.0, 40.0))
        return Shower(
            start=24.0 * day + MORNING + min(_LATEST, max(_EARLIEST, after)),
            hours=min(3.0, 0.4 + rng.expovariate(1.2)),
            amount=amount,
            east=math.sin(heading),
            north=math.cos(heading),
            wave=rng.uniform(25.0, 60.0),
            phase=rng.uniform(0.0, 2 * math.pi),
        )


def rain_day(hours: float) -> int:
    """The day on whose 07:00 the rain day of a time began."""
    return math.floor((hours - MORNING) / 24.0)
