"""What is drawn from a line, and what a meter has counted.

A load is a course of the day; its energy is the sum of that course, so that counter and power
agree. 230 V within ±10 % is Thailand's low voltage; the courses are assumptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from simulators.city import sun
from simulators.city.hours import Spot, day_of, weekday_of
from simulators.city.noise import Noise
from simulators.city.weather import Weather

_NOMINAL: Final = 229.0
_RANGE: Final = (208.0, 252.0)
_COOLING_SHARE: Final = 0.03
"""A refrigerator draws so much more for each °C above 27."""
_YIELD: Final = 0.78
"""Of a solar roof: what arrives of its peak under 1000 W/m²."""


class Register:
    """A counter that a daily amount is added to, from the beginning of the day `since`."""

    def __init__(self, since: int, daily: Callable[[int], float]) -> None:
        self._since, self._daily = since, daily
        self._day, self._total = since, 0.0

    def before(self, day: int) -> float:
        """The sum of all days before one."""
        if day < self._day:
            self._day, self._total = self._since, 0.0
        while self._day < day:
            self._total += self._daily(self._day)
            self._day += 1
        return self._total


class Mains:
    """The voltage of a line: lower in the evening, when everybody is at home."""

    def __init__(self, name: str) -> None:
        self._noise = Noise(f"{name}|volts", 0.5)

    def voltage(self, hours: float) -> float:
        """V."""
        evening = 4.0 if 18.0 <= hours % 24.0 < 22.0 else 0.0
        volts = _NOMINAL + 2.5 * self._noise.at(hours) - evening
        return min(_RANGE[1], max(_RANGE[0], volts))


class Refrigerator:
    """A clinic's: it works harder on hot days, and less from Saturday on."""

    factor = 0.87

    def __init__(self, weather: Weather, watts: float, since: int) -> None:
        self._weather, self._watts = weather, watts
        self._register = Register(since, lambda day: 24.0 * self._mean(day))

    def power(self, hours: float) -> float:
        """W."""
        return self._mean(day_of(hours))

    def energy(self, hours: float) -> float:
        """Wh since the counter began."""
        day = day_of(hours)
        return self._register.before(day) + (hours - 24.0 * day) * self._mean(day)

    def _mean(self, day: int) -> float:
        warmth = 1.0 + _COOLING_SHARE * (self._weather.mean(day) - 27.0)
        return self._watts * warmth * (0.85 if weekday_of(day) >= 5 else 1.0)


class SolarRoof:
    """What a small roof of solar panels gives; its power follows the sky over it."""

    factor = 0.99

    def __init__(self, weather: Weather, peak: float, spot: Spot, since: int) -> None:
        self._weather, self._peak, self._spot = weather, peak, spot
        self._register = Register(since, self._daily)

    def power(self, hours: float) -> float:
        """W."""
        return self._peak * _YIELD * self._weather.irradiance(hours, self._spot) / 1000.0

    def energy(self, hours: float) -> float:
        """Wh since the counter began: each day's sun, spread over its hours as without clouds."""
        day = day_of(hours)
        begun, whole = 0.0, 0.0
        for hour in range(5, 20):
            clear = sun.clear_sky(24.0 * day + hour + 0.5)
            whole += clear
            begun += clear * min(1.0, max(0.0, hours - 24.0 * day - hour))
        return self._register.before(day) + self._daily(day) * begun / whole

    def _daily(self, day: int) -> float:
        return self._peak * _YIELD * self._weather.insolation(day)
