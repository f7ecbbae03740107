"""Milesight EM500-SWL: a probe at the bottom of a river, a canal, a pond, or a sump."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import ClassVar

from khaen.site.model import Position
from simulators.city import water
from simulators.city.city import City
from simulators.city.noise import Noise
from simulators.city.sensor import Drifts, Ranges, Sensor, Values, percent
from simulators.payloads import milesight

_KINDS = (water.CANAL, water.RIVER, water.POND, None)
_OFTEN = (4, 2, 2, 2)


class WaterGauge(Sensor):
    """What it stands in is drawn; a sump is that of the place's pumping station."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = {"depth": (0.0, 10.0)}
    drifts: ClassVar[Drifts] = {"depth": 0.015}

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        (kind,) = rng.choices(_KINDS, _OFTEN)
        self.stream = None
        if kind is not None:
            self.stream = replace(kind, base=kind.base * rng.uniform(0.7, 1.4))
        self._station = city.station(self.spot)
        self._waves = Noise(f"{self.name}|waves", 0.2)

    def measure(self, hours: float) -> Values:
        """Metres of water above the probe."""
        if self.stream is None:
            depth, _ = self._station.state(hours)
        else:
            depth = water.level(self.stream, self.city.weather.rain, hours, self.spot)
        return {"depth": depth + 0.004 * self._waves.at(hours)}

    def encode(self, values: Values, charge: float) -> bytes:
        """Its maker's row of channels."""
        return milesight.encode_em500_swl(depth=values["depth"], battery=percent(charge))
