"""Pumping stations: a sump that fills with the day's waste water and with rain, and is pumped out.

The cycles of a day are counted from its midnight, and their number is made whole: so a day
follows from its date alone, and no level jumps at midnight. Sizes are those of a small lifting
station, and assumed.
"""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random
from typing import Final

from simulators.city.hours import Spot, day_of
from simulators.city.power import Register
from simulators.city.rain import Rain

LOW, HIGH = 0.6, 1.8
"""Metres at which the pump stops and starts."""
_PUMPED: Final = 40.0  # m³/h
_INFLOW: Final = 9.0  # m³/h, the day's mean without rain
_FROM_RAIN: Final = 1.6  # m³/h for each mm of the last hours
_MOST: Final = 0.92  # of what the pump can do: the rest overflows
_CELL: Final = 3.0  # km within which sensors belong to one station
_COURSE: Final = (
    0.5, 0.4, 0.35, 0.35, 0.5, 0.9, 1.5, 1.7, 1.5, 1.2, 1.0, 1.0,
    1.1, 1.0, 0.9, 0.9, 1.0, 1.2, 1.5, 1.6, 1.4, 1.1, 0.8, 0.6,
)  # fmt: skip


class Station:
    """One station; sensors that stand near each other measure the same one."""

    factor = 0.83

    def __init__(self, seed: str, rain: Rain, spot: Spot, since: int) -> None:
        cell = round(spot.east / _CELL), round(spot.north / _CELL)
        rng = Random(f"{seed}|station|{cell}")
        self._rain = rain
        self._spot = Spot(cell[0] * _CELL, cell[1] * _CELL)
        self.volume = rng.uniform(3.5, 6.0)
        """m³ between the two levels."""
        self.watts = rng.uniform(1500.0, 2200.0)
        """W of the pump."""
        self._day = lru_cache(maxsize=4)(self._cycles)
        self._register = Register(since, lambda day: self._worked(day, 24.0))

    def inflow(self, hours: float) -> float:
        """m³/h; on the line between two full hours."""
        hour = math.floor(hours)
        share = hours - hour
        return self._inflow(hour) * (1.0 - share) + self._inflow(hour + 1) * share

    def state(self, hours: float) -> tuple[float, bool]:
        """Metres of water in the sump, and whether the pump runs."""
        day = day_of(hours)
        starts, scale = self._day(day)
        hour = math.floor(hours - 24.0 * day)
        passed = hours - 24.0 * day - hour
        middle = self._rate(24.0 * day + hour + passed / 2)
        within = (starts[hour] + middle * passed * scale) % 1.0
        running = self.inflow(hours) / _PUMPED
        if within < 1.0 - running:
            return LOW + (HIGH - LOW) * within / (1.0 - running), False
        return HIGH - (HIGH - LOW) * (within - 1.0 + running) / running, True

    def power(self, hours: float) -> float:
        """W."""
        return self.watts if self.state(hours)[1] else 0.0

    def energy(self, hours: float) -> float:
        """Wh since the counter began, on the mean of a pump's cycles."""
        day = day_of(hours)
        return self._register.before(day) + self._worked(day, hours - 24.0 * day)

    def _inflow(self, hour: int) -> float:
        wet = self._rain.wetness(float(hour), self._spot, 3.0)
        return min(_MOST * _PUMPED, _INFLOW * _COURSE[hour % 24] + _FROM_RAIN * wet)

    def _rate(self, hours: float) -> float:
        """Cycles an hour: the sump fills with what comes, and empties by what the pump is ahead."""
        inflow = self.inflow(hours)
        return 1.0 / (self.volume / inflow + self.volume / (_PUMPED - inflow))

    def _cycles(self, day: int) -> tuple[tuple[float, ...], float]:
        """The cycles done by each full hour of a day, a whole number at its end; and the scale."""
        done = [0.0]
        for hour in range(24):
            done.append(done[-1] + self._rate(24.0 * day + hour + 0.5))
        scale = max(1.0, round(done[-1])) / done[-1]
        return tuple(cycles * scale for cycles in done), scale

    def _worked(self, day: int, until: float) -> float:
        """Wh that the pump draws on a day, until an hour of it."""
        hours = sum(
            self.inflow(24.0 * day + hour + 0.5) * min(1.0, until - hour)
            for hour in range(math.ceil(until))
        )
        return self.watts * hours / _PUMPED
