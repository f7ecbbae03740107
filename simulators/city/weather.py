"""The weather of a city: a course of the day around the climate of the season, days that differ.

Humidity comes from one vapour pressure for the day over the saturation at the hour's temperature
(the Magnus formula, WMO-No. 8, annex 4.B), so that it falls in the afternoon. Pressure has the
half-day tide of the tropics, highest at ten o'clock.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from simulators.city import climate, sun
from simulators.city.hours import CENTRE, Spot, day_of
from simulators.city.noise import Noise
from simulators.city.rain import Rain

_COOLEST, _WARMEST = 6.0, 15.0  # hours of the day
_ALTITUDE: Final = 187.0
"""Metres: the station of Khon Kaen."""
_SCALE_HEIGHT: Final = 8600.0
_TIDE: Final = 1.5
_COOLING: Final = 5.0
"""°C that a good shower takes away."""
_COOLING_MEMORY: Final = 2.0


class Weather:
    """The air over one city. Times are `hours`, places `Spot`s; everything follows the seed."""

    def __init__(self, seed: str) -> None:
        self.rain = Rain(seed)
        self._days = Noise(f"{seed}|warmth", 90.0)
        self._vapour = Noise(f"{seed}|vapour", 60.0)
        self._clouds = Noise(f"{seed}|cloud", 5.0)
        self._sky = Noise(f"{seed}|sky", 40.0)
        self._wind = Noise(f"{seed}|wind", 1.0)
        self._turning = Noise(f"{seed}|turning", 6.0)
        self._highs = Noise(f"{seed}|pressure", 72.0)
        self.insolation = lru_cache(maxsize=1024)(self._insolation)
        """kWh/m² of a day, in the city's middle."""
        self.mean = lru_cache(maxsize=1024)(self._mean)
        """°C, what the climate and the days' own wandering say of a day."""

    def cloud(self, hours: float, spot: Spot) -> float:
        """The covered share of the sky, 0 to 1."""
        day = day_of(hours)
        usual = climate.usual(climate.CLOUD, day)
        sky = usual + 0.15 * self._clouds.at(hours) + 0.12 * self._sky.at(hours)
        rain = self.rain.wetness(hours, spot, 1.0)
        return min(1.0, max(0.0, sky + (1.0 - sky) * (1.0 - math.exp(-rain))))

    def irradiance(self, hours: float, spot: Spot) -> float:
        """W/m² on level ground."""
        return sun.irradiance(hours, self.cloud(hours, spot)) if sun.height(hours) > 0 else 0.0

    def temperature(self, hours: float, spot: Spot) -> float:
        """°C of the air in the shade."""
        wet = self.rain.wetness(hours, spot, _COOLING_MEMORY)
        return self._dry(hours) - _COOLING * (1.0 - math.exp(-wet / 5.0))

    def humidity(self, hours: float, spot: Spot) -> float:
        """% of saturation."""
        day = day_of(hours)
        mean = (climate.usual(climate.HIGH, day) + climate.usual(climate.LOW, day)) / 2
        vapour = climate.usual(climate.HUMIDITY, day) * saturation(mean)
        vapour *= 1.0 + 0.06 * self._vapour.at(hours)
        dry = min(97.0, max(15.0, vapour / saturation(self._dry(hours))))
        wet = 1.0 - math.exp(-self.rain.wetness(hours, spot, _COOLING_MEMORY) / 4.0)
        return dry + (97.0 - dry) * wet

    def humidity_at(self, hours: float, spot: Spot, celsius: float) -> float:
        """% that the air's vapour makes of another temperature: that of a room."""
        vapour = self.humidity(hours, spot) * saturation(self.temperature(hours, spot))
        return min(98.0, vapour / saturation(celsius))

    def pressure(self, hours: float) -> float:
        """hPa at the height of the city."""
        sea = climate.usual(climate.PRESSURE, day_of(hours)) + 1.3 * self._highs.at(hours)
        tide = _TIDE * math.cos((hours % 12.0 - 10.0) / 12.0 * 2 * math.pi)
        return sea * math.exp(-_ALTITUDE / _SCALE_HEIGHT) + tide

    def wind_speed(self, hours: float, spot: Spot) -> float:
        """m/s; livelier in the afternoon and before a shower."""
        course = 0.65 + 0.6 * max(0.0, math.sin((hours % 24.0 - 7.0) / 12.0 * math.pi))
        gusts = 4.0 * (1.0 - math.exp(-self.rain.wetness(hours, spot, 0.5) / 4.0))
        usual = climate.usual(climate.WIND, day_of(hours))
        return max(0.0, usual * course * (1.0 + 0.45 * self._wind.at(hours)) + gusts)

    def wind_direction(self, hours: float) -> float:
        """Degrees from which it blows, 0 to below 360."""
        usual = climate.WIND_FROM[climate.month_of(day_of(hours))]
        return (usual + 35.0 * self._turning.at(hours)) % 360.0

    def _mean(self, day: int) -> float:
        usual = (climate.usual(climate.HIGH, day) + climate.usual(climate.LOW, day)) / 2
        return usual + climate.usual(climate.SPREAD, day) * self._days.at(24.0 * day + 12.0)

    def _dry(self, hours: float) -> float:
        """°C without the cooling of showers."""
        day = day_of(hours)
        # From noon to noon, so that midnight makes no step.
        before = day if hours - 24 * day >= 12.0 else day - 1
        weight = (hours - 24 * before - 12.0) / 24.0
        mean = self.mean(before) * (1.0 - weight) + self.mean(before + 1) * weight
        half = (climate.usual(climate.HIGH, day) - climate.usual(climate.LOW, day)) / 2
        return mean + half * (1.0 - 0.2 * self._sky.at(hours)) * course(hours % 24.0)

    def _insolation(self, day: int) -> float:
        return sum(self.irradiance(24.0 * day + hour + 0.5, CENTRE) for hour in range(24)) / 1000.0


def course(hour: float) -> float:
    """The course of a day's warmth: -1 at six in the morning, 1 at three in the afternoon."""
    if _COOLEST <= hour < _WARMEST:
        return -math.cos((hour - _COOLEST) / (_WARMEST - _COOLEST) * math.pi)
    night = (hour - _WARMEST) % 24.0 / (24.0 - _WARMEST + _COOLEST)
    return math.cos(night * math.pi)


def saturation(celsius: float) -> float:
    """hPa of water vapour over water."""
    return 6.112 * math.exp(17.62 * celsius / (243.12 + celsius))
