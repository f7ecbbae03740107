"""What time and mishap do to a sensor: it drifts, it sticks, its battery runs down.

Drift by itself is mild and is taken out by a calibration once a year. The rest is put on by
`stick`, `drift` and `run_down`, and taken off by `mend`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

_YEAR: Final = 24.0 * 365.25
_LIFE: Final = (3.0, 7.0)
"""Years of a battery."""
_LAST: Final = 0.12
"""Share of its charge at which a battery is changed in time."""
_FLAT: Final = 0.04
"""Share of its charge that a run-down battery has left."""


class Ageing:
    """One sensor's age; `drifts` is σ per year of what may drift, in its own unit."""

    def __init__(self, rng: Random, drifts: Mapping[str, float]) -> None:
        self._rates = {name: rng.gauss(0.0, spread) / _YEAR for name, spread in drifts.items()}
        self._calibrated = rng.uniform(0.0, _YEAR)
        self._life = rng.uniform(*_LIFE) * _YEAR
        self._changed = rng.uniform(0.0, self._life)
        self._stuck: float | None = None
        self._run_down: float | None = None
        self._drifting: list[tuple[float, str, float]] = []

    def stick(self, hours: float) -> None:
        """What it measures stays as it is at a time."""
        self._stuck = hours

    def drift(self, hours: float, name: str, per_hour: float) -> None:
        """A value goes away from the truth, in its own unit. Raises KeyError for another name."""
        if name not in self._rates:
            raise KeyError(name)
        self._drifting.append((hours, name, per_hour))

    def run_down(self, hours: float) -> None:
        """The battery is nearly empty from a time on."""
        self._run_down = hours

    def mend(self) -> None:
        """Somebody has looked after it."""
        self._stuck = self._run_down = None
        self._drifting.clear()

    def measures(self, hours: float) -> float:
        """The time whose values it reports."""
        return hours if self._stuck is None else min(hours, self._stuck)

    def offsets(self, hours: float) -> dict[str, float]:
        """How far each value is from the truth."""
        age = (hours - self._calibrated) % _YEAR
        found = {name: rate * age for name, rate in self._rates.items()}
        for since, name, per_hour in self._drifting:
            found[name] += per_hour * max(0.0, hours - since)
        return found

    def charge(self, hours: float) -> float:
        """The battery's charge, 0 to 1: long flat, then falling, and changed before it ends."""
        if self._run_down is not None and hours >= self._run_down:
            return _FLAT
        age = (hours - self._changed) % self._life / self._life
        return 1.0 - (1.0 - _LAST) * age**3
