"""The climate of Khon Kaen by month: what is usual, around which the weather wanders.

Temperature, humidity, rain: after the Thai Meteorological Department's normals 1981-2010 of Khon
Kaen (WMO station 48381), rounded, not checked against its own tables. Cloud and wind are
assumptions of the same season; pressure at sea level follows the monsoon.
"""

from __future__ import annotations

import calendar
from functools import lru_cache
from typing import Final

from simulators.city.hours import date_of

Monthly = tuple[float, ...]
"""Twelve values, January first."""

HIGH: Final[Monthly] = (30.1, 32.6, 35.0, 36.3, 34.6, 33.6, 32.8, 32.3, 32.0, 31.6, 30.8, 29.5)
"""°C, mean of the daily highest."""
LOW: Final[Monthly] = (17.3, 19.8, 22.7, 24.7, 25.0, 25.0, 24.7, 24.5, 24.1, 22.9, 20.3, 17.3)
"""°C, mean of the daily lowest."""
HUMIDITY: Final[Monthly] = (65, 62, 60, 64, 74, 76, 77, 80, 82, 77, 70, 66)
"""%, mean of the day."""
RAIN: Final[Monthly] = (4, 14, 38, 75, 168, 183, 166, 206, 237, 108, 17, 5)
"""mm in the month."""
RAIN_DAYS: Final[Monthly] = (1, 2, 4, 7, 15, 14, 16, 18, 17, 10, 3, 1)
"""Days with 0.1 mm or more, from 07:00 to 07:00."""
CLOUD: Final[Monthly] = (0.30, 0.30, 0.35, 0.45, 0.65, 0.75, 0.78, 0.80, 0.75, 0.55, 0.40, 0.32)
"""Share of the sky; assumed."""
WIND: Final[Monthly] = (1.6, 1.6, 1.8, 1.9, 1.7, 2.0, 2.0, 1.8, 1.3, 1.5, 1.7, 1.7)
"""m/s, mean of the day; assumed."""
WIND_FROM: Final[Monthly] = (50, 110, 180, 190, 205, 220, 225, 225, 200, 60, 45, 45)
"""Degrees: the north-east monsoon from October, the south-west from May; assumed."""
PRESSURE: Final[Monthly] = (1015, 1013, 1011, 1009, 1007, 1006, 1006, 1006, 1008, 1011, 1014, 1016)
"""hPa at sea level; assumed."""
SPREAD: Final[Monthly] = (2.2, 2.0, 1.7, 1.4, 1.1, 0.9, 0.8, 0.8, 0.8, 1.2, 1.8, 2.3)
"""°C of a day's mean around the usual: the cool season has surges from China; assumed."""


def usual(values: Monthly, day: int) -> float:
    """The value of a day, on the line between the middles of two months."""
    month, weight = _between(day)
    return values[month] * (1.0 - weight) + values[(month + 1) % 12] * weight


def month_of(day: int) -> int:
    """0 is January."""
    return date_of(day).month - 1


@lru_cache(maxsize=2048)
def _between(day: int) -> tuple[int, float]:
    date = date_of(day)
    length = calendar.monthrange(date.year, date.month)[1]
    place = date.month - 1 + (date.day - 0.5) / length - 0.5
    month = int(place // 1)
    return month % 12, place - month
