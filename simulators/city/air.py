"""Fine dust: high while fields burn, held down at night, washed out by rain.

The monthly means and the courses are assumptions for Khon Kaen; docs/simulators-city.md says what
reports of the Pollution Control Department they are held against.
"""

from __future__ import annotations

import math
from typing import Final

from simulators.city import climate
from simulators.city.hours import Spot, day_of
from simulators.city.noise import Noise
from simulators.city.weather import Weather

PM2_5: Final[climate.Monthly] = (36, 44, 48, 34, 17, 11, 10, 10, 13, 21, 26, 32)
"""µg/m³, mean of the month: fields and forests burn from February to April."""
_WASHED_OUT: Final = 0.55
_WASH_MEMORY: Final = 14.0
_SPREAD: Final = 0.32
"""Of the logarithm, from day to day."""


class Air:
    """The dust in one city's air."""

    def __init__(self, seed: str, weather: Weather) -> None:
        self._weather = weather
        self._days = Noise(f"{seed}|dust", 40.0)
        self._hours = Noise(f"{seed}|dust of the hour", 2.5)

    def pm2_5(self, hours: float, spot: Spot) -> float:
        """µg/m³."""
        usual = climate.usual(PM2_5, day_of(hours)) * inversion(hours % 24.0)
        wander = _SPREAD * self._days.at(hours) + 0.12 * self._hours.at(hours)
        wet = self._weather.rain.wetness(hours, spot, _WASH_MEMORY)
        washed = 1.0 - _WASHED_OUT * (1.0 - math.exp(-wet / 6.0))
        return max(1.0, 1.06 * usual * math.exp(wander) * washed)

    def coarse(self, hours: float, spot: Spot) -> float:
        """µg/m³ between 2.5 and 10 µm: more where it is dry and windy."""
        dryness = 1.2 - self._weather.humidity(hours, spot) / 100.0
        return 4.0 + 18.0 * max(0.0, dryness) + 2.0 * self._weather.wind_speed(hours, spot)


def inversion(hour: float) -> float:
    """The course of the day: the night's cold air lies on the dust until the sun stirs it."""
    return 1.0 + 0.28 * math.cos((hour - 6.0) / 24.0 * 2 * math.pi)
