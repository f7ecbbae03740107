"""What comes over an elder for a while, told once and over by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

_METRES_PER_DEGREE = 111_200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fever:
    """A slow fever: it rises for a third of the time, stays for one and falls for one."""

    start: datetime
    seconds: float
    celsius: float

    def at(self, at: datetime) -> float:
        """°C above the usual."""
        return self.celsius * _swell(at, self.start, self.seconds, 1 / 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wander:
    """A way from home and back, straight ahead: away for half of the time. `heading` in radians."""

    start: datetime
    seconds: float
    metres: float
    heading: float

    def at(self, at: datetime) -> tuple[float, float]:
        """Metres east and north of home."""
        away = self.metres * _swell(at, self.start, self.seconds, 0.25)
        return away * math.sin(self.heading), away * math.cos(self.heading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A vital sign is about `value` for a while, whatever she does."""

    start: datetime
    seconds: float
    kind: str
    value: float

    def runs(self, kind: str, at: datetime) -> bool:
        """Whether it is this sign, now."""
        return self.kind == kind and 0.0 <= (at - self.start).total_seconds() < self.seconds


Trouble = Fever | Wander | Episode


def is_over(trouble: Trouble, at: datetime) -> bool:
    """Whether it does not matter any more."""
    return (at - trouble.start).total_seconds() > trouble.seconds


def degrees(east: float, north: float, latitude: float) -> tuple[float, float]:
    """Metres as degrees of longitude and latitude."""
    return (
        east / _METRES_PER_DEGREE / math.cos(math.radians(latitude)),
        north / _METRES_PER_DEGREE,
    )


def _swell(at: datetime, start: datetime, seconds: float, share: float) -> float:
    """0 before and after, 1 in the middle; rising and falling for a `share` of the time each."""
    passed = (at - start).total_seconds() / seconds
    return min(1.0, max(0.0, min(passed, 1.0 - passed) / share))
