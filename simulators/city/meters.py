"""Milesight's meters: WS523, a socket; WS558, a cabinet of street lights."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Protocol

from khaen.site.model import Position
from simulators.city.city import City
from simulators.city.lights import Cabinet
from simulators.city.noise import Noise
from simulators.city.power import Mains, Refrigerator, SolarRoof
from simulators.city.sensor import Drifts, Ranges, Sensor, Values
from simulators.payloads import milesight


class Load(Protocol):
    """Something that draws or gives power."""

    factor: float
    """The power factor."""

    def power(self, hours: float) -> float:
        """W at a time."""

    def energy(self, hours: float) -> float:
        """Wh since the city's counters began."""


class _Meter(Sensor):
    """A meter on a line of 230 V; `measure` needs the load."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = {"power": (0.0, 16_000.0)}
    drifts: ClassVar[Drifts] = {"power": 1.0}

    load: Load

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self._mains = Mains(self.name)
        self._already = rng.uniform(1e4, 1e6)
        self._flicker = Noise(f"{self.name}|watts", 0.1)

    def measure(self, hours: float) -> Values:
        """W, V, Wh."""
        power = self.load.power(hours)
        return {
            "power": power * (1.0 + 0.02 * self._flicker.at(hours)),
            "voltage": self._mains.voltage(hours),
            "energy": self._already + self.load.energy(hours),
        }

    def _encode(self, values: Values) -> bytes:
        return milesight.encode_meter(
            voltage=values["voltage"],
            current=values["power"] / values["voltage"] / self.load.factor,
            power=values["power"],
            factor=self.load.factor,
            energy=values["energy"],
        )


class Socket(_Meter):
    """What stands behind it is drawn: a clinic's refrigerator, a pump, or a small solar roof."""

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        kind, size = rng.randrange(3), rng.uniform(0.7, 1.3)
        if kind == 0:
            self.load = Refrigerator(city.weather, 140.0 * size, city.since)
        elif kind == 1:
            self.load = city.station(self.spot)
        else:
            self.load = SolarRoof(city.weather, 1500.0 * size, self.spot, city.since)

    def encode(self, values: Values, charge: float) -> bytes:
        """It lives on what it measures."""
        del charge
        return milesight.encode_ws523_switch(on=True) + self._encode(values)


class StreetLights(_Meter):
    """Eight lines of lamps, on from dusk to dawn."""

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self.load = self.cabinet = Cabinet(self.name, city.since)

    def measure(self, hours: float) -> Values:
        """Besides the meter, the lines that are lit."""
        return {**super().measure(hours), "lines": self.cabinet.lines(hours)}

    def encode(self, values: Values, charge: float) -> bytes:
        """Switches first, then the meter."""
        del charge
        return milesight.encode_ws558_switches(round(values["lines"])) + self._encode(values)
