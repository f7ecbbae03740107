"""The sun over Khon Kaen: how high it stands, when it rises and sets, what it gives.

Declination (Cooper 1969) and equation of time as in Duffie and Beckman, "Solar Engineering of
Thermal Processes", chapter 1; irradiance under a clear sky by Haurwitz (1945), under clouds by
Kasten and Czeplak (1980).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from simulators.city.hours import LATITUDE, LONGITUDE, day_of, day_of_year

_ZONE: Final = 105.0
"""Degrees: the meridian of the time zone."""
_SIN: Final = math.sin(math.radians(LATITUDE))
_COS: Final = math.cos(math.radians(LATITUDE))
HORIZON: Final = -0.833
"""Degrees of the sun's middle at sunrise: half its disc, and refraction."""


def height(hours: float) -> float:
    """The sine of the sun's elevation; negative at night."""
    day = day_of(hours)
    declination, shift = _season(day_of_year(day))
    angle = math.radians(15.0 * (hours - 24 * day + shift - 12.0))
    return _SIN * math.sin(declination) + _COS * math.cos(declination) * math.cos(angle)


def clear_sky(hours: float) -> float:
    """W/m² on level ground without clouds."""
    sine = height(hours)
    return 1098.0 * sine * math.exp(-0.057 / sine) if sine > 0.01 else 0.0


def irradiance(hours: float, cloud: float) -> float:
    """W/m² on level ground; `cloud` is the covered share of the sky."""
    return clear_sky(hours) * (1.0 - 0.75 * math.pow(cloud, 3.4))


@lru_cache(maxsize=4096)
def light(day: int, elevation: float = HORIZON) -> tuple[float, float]:
    """The hours of a day at which the sun passes an elevation in degrees: up and down."""
    declination, shift = _season(day_of_year(day))
    cosine = (math.sin(math.radians(elevation)) - _SIN * math.sin(declination)) / (
        _COS * math.cos(declination)
    )
    half = math.degrees(math.acos(cosine)) / 15.0
    return 12.0 - shift - half, 12.0 - shift + half


@lru_cache(maxsize=366)
def _season(number: int) -> tuple[float, float]:
    """Declination in radians, and the hours by which the sun is ahead of the clock."""
    declination = math.radians(23.45) * math.sin(math.radians(360 * (284 + number) / 365))
    b = math.radians(360 * (number - 81) / 364)
    minutes = 9.87 * math.sin(2 * b) - 7.53 * math.cos(b) - 1.5 * math.sin(b)
    return declination, minutes / 60.0 + (LONGITUDE - _ZONE) / 15.0
