"""Rivers, canals and ponds: a level of the season, and rain that comes down the catchment.

Rain answers as through two reservoirs in a row (Nash's cascade, 1957): the level rises for about
`lag` hours after it and falls more slowly. What the banks are like is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from simulators.city import climate
from simulators.city.hours import Spot, day_of
from simulators.city.rain import Rain, rain_day

_LATE: Final = 45
"""Days by which the ground's water follows the rains."""
_FLOODED: Final = 0.3
"""A metre of water above the banks raises the level by so much: it spreads."""
_MEMORY: Final = 7.0
"""Lags after which rain has run off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A water body: metres of water in the dry season, up to its `bank`, and by the monsoon.

    `lag` in hours; `gain` is metres of level for each mm that is on its way.
    """

    base: float
    bank: float
    monsoon: float
    lag: float
    gain: float


RIVER: Final = Stream(base=1.2, bank=6.0, monsoon=2.4, lag=60.0, gain=0.020)
CANAL: Final = Stream(base=0.5, bank=2.5, monsoon=0.5, lag=6.0, gain=0.030)
POND: Final = Stream(base=1.4, bank=3.0, monsoon=0.8, lag=30.0, gain=0.006)


def level(stream: Stream, rain: Rain, hours: float, spot: Spot) -> float:
    """Metres of water at a place."""
    season = stream.base + stream.monsoon * _season(day_of(hours))
    high = season + stream.gain * _under_way(rain, hours, spot, stream.lag)
    over = max(0.0, high - stream.bank)
    return high - over * (1.0 - _FLOODED)


def _season(day: int) -> float:
    """0 at the end of the dry season, 1 at the end of the rains."""
    return min(1.0, climate.usual(climate.RAIN, day - _LATE) / max(climate.RAIN))


def _under_way(rain: Rain, hours: float, spot: Spot, lag: float) -> float:
    """mm of rain that have come into the second reservoir and not yet left it."""
    water = 0.0
    today = rain_day(hours)
    for day in range(today - math.ceil(_MEMORY * lag / 24), today + 1):
        for shower in rain.showers(day):
            passed = (hours - shower.begins(spot) - shower.hours / 2) / lag
            if 0.0 < passed < _MEMORY:
                water += shower.total(spot) * passed * math.exp(-passed)
    return water
