"""What all sensors of the city have in common: they measure, age, and say so in bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import ClassVar, Protocol

from khaen.site.model import Position
from simulators.city.ageing import Ageing
from simulators.city.city import City
from simulators.city.hours import hours_of, spot_of
from simulators.devices.device import Message

Values = dict[str, float]
"""What is measured, by name, before it is encoded."""
Ranges = Mapping[str, tuple[float, float]]
Drifts = Mapping[str, float]


class Reporter(Protocol):
    """What a device says when its time has come; `at` does not go back."""

    def report(self, at: datetime) -> Message:
        """The next regular message."""


class Sensor(ABC):
    """One device at one place; the same `rng`, city and place give the same reports."""

    f_port: ClassVar[int]
    ranges: ClassVar[Ranges] = {}
    """What the instrument can measure: beyond, it says the limit."""
    drifts: ClassVar[Drifts] = {}
    """σ per year of how far a value goes from the truth; the main value first."""

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        self.name = f"{rng.getrandbits(64):016x}"
        self.city, self.spot = city, spot_of(position)
        self.ageing = Ageing(rng, self.drifts)
        self.battery = percent(1.0)
        """Whole % of charge at the last report, for the network."""

    def report(self, at: datetime) -> Message:
        """What it says at a time; asked in whatever order, the same."""
        hours = hours_of(at)
        charge = self.ageing.charge(hours)
        self.battery = percent(charge)
        return Message(f_port=self.f_port, payload=self.encode(self.values(hours), charge))

    def values(self, hours: float) -> Values:
        """What it measures: the truth, with what age and faults make of it."""
        measured = self.ageing.measures(hours)
        values = self.measure(measured)
        for name, offset in self.ageing.offsets(measured).items():
            values[name] += offset
        for name, (low, high) in self.ranges.items():
            values[name] = min(high, max(low, values[name]))
        return values

    # -- faults ---------------------------------------------------------------

    def stick(self, at: datetime) -> None:
        """Its values stay as they are at a time."""
        self.ageing.stick(hours_of(at))

    def drift(self, at: datetime, per_hour: float, name: str = "") -> None:
        """A value goes away from the truth, the main one if none is named.

        Raises KeyError for one that does not drift.
        """
        self.ageing.drift(hours_of(at), name or next(iter(self.drifts), name), per_hour)

    def run_down(self, at: datetime) -> None:
        """Its battery is nearly empty from a time on."""
        self.ageing.run_down(hours_of(at))

    def mend(self) -> None:
        """Somebody has looked after it: all faults are gone."""
        self.ageing.mend()

    # -- a family -------------------------------------------------------------

    @abstractmethod
    def measure(self, hours: float) -> Values:
        """The truth at a time, as a new table."""

    @abstractmethod
    def encode(self, values: Values, charge: float) -> bytes:
        """The maker's bytes; `charge` is the battery's, 0 to 1."""


def percent(charge: float) -> int:
    """A battery's charge as most makers tell it."""
    return round(100.0 * charge)
