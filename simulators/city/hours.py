"""The city's times and places as plain numbers, because its models are asked often.

Times are hours since midnight of 1 January 1970 in Khon Kaen, places kilometres from the city's
middle. A day is a whole number of 24 hours since then.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from khaen.site.model import Position

LATITUDE: Final = 16.43
LONGITUDE: Final = 102.83
"""The middle of Khon Kaen, degrees."""
UTC_OFFSET: Final = 7.0
_KM_PER_DEGREE: Final = 111.2
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Spot(NamedTuple):
    """Kilometres from the city's middle."""

    east: float
    north: float


CENTRE: Final = Spot(0.0, 0.0)


def hours_of(at: datetime) -> float:
    """The city's time of an aware datetime."""
    return at.timestamp() / 3600.0 + UTC_OFFSET


def day_of(hours: float) -> int:
    """The day of a time."""
    return math.floor(hours / 24.0)


def date_of(day: int) -> date:
    """The calendar's date of a day."""
    return date.fromordinal(_EPOCH + day)


def number_of(day: date) -> int:
    """The day of a calendar's date."""
    return day.toordinal() - _EPOCH


def weekday_of(day: int) -> int:
    """0 is Monday."""
    return (day + 3) % 7  # the first day was a Thursday


@lru_cache(maxsize=2048)
def day_of_year(day: int) -> int:
    """1 is New Year's Day."""
    return date_of(day).timetuple().tm_yday


def spot_of(position: Position) -> Spot:
    """A position, on a plane: the province is small."""
    return Spot(
        (position.longitude - LONGITUDE) * _KM_PER_DEGREE * math.cos(math.radians(LATITUDE)),
        (position.latitude - LATITUDE) * _KM_PER_DEGREE,
    )


def position_of(spot: Spot) -> Position:
    """The other way round."""
    return Position(
        latitude=LATITUDE + spot.north / _KM_PER_DEGREE,
        longitude=LONGITUDE + spot.east / _KM_PER_DEGREE / math.cos(math.radians(LATITUDE)),
    )
