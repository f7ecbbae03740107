"""Sensors under a lid: Milesight EM400-MUD in a street bin, WS201 in a small container."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Final

from khaen.site.model import Position
from simulators.city import waste
from simulators.city.city import City
from simulators.city.sensor import Drifts, Ranges, Sensor, Values, percent
from simulators.payloads import milesight


class Bin(Sensor):
    """A street bin of 1.2 m; one in three stands at a market."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = {"distance": (0.03, 4.5), "temperature": (-20.0, 70.0)}
    drifts: ClassVar[Drifts] = {"distance": 0.008}

    DEPTH: Final = 1.2
    ABOVE: Final = 0.05
    """Metres from the sensor to a full bin."""

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        habit = waste.MARKET if rng.random() < 1 / 3 else waste.STREET
        self.filling = waste.Filling(self.name, habit, rng.uniform(0.6, 1.5))

    def measure(self, hours: float) -> Values:
        """Metres down to the rubbish, °C under the lid."""
        sunny = self.city.weather.irradiance(hours, self.spot) / 1000.0
        return {
            "distance": self.DEPTH * (1.0 - self.filling.at(hours)) + self.ABOVE,
            "temperature": self.city.weather.temperature(hours, self.spot) + 6.0 * sunny,
        }

    def encode(self, values: Values, charge: float) -> bytes:
        """It lies as it should."""
        return milesight.encode_em400_mud(**values, tilted=False, battery=percent(charge))


class Container(Sensor):
    """A container of 0.4 m, such as that of used needles."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = {"distance": (0.0, 0.55)}
    drifts: ClassVar[Drifts] = {"distance": 0.003}

    DEPTH: Final = 0.4

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self.filling = waste.Filling(self.name, waste.CLINIC, rng.uniform(0.6, 1.3))

    def measure(self, hours: float) -> Values:
        """Metres down to what is in it."""
        return {"distance": self.DEPTH * (1.0 - self.filling.at(hours))}

    def encode(self, values: Values, charge: float) -> bytes:
        """The device itself reckons the share."""
        fill = round(100.0 * (1.0 - min(1.0, values["distance"] / self.DEPTH)))
        return milesight.encode_ws201(
            distance=values["distance"], fill=fill, battery=percent(charge)
        )
