"""Digital Matter G62 in a city bus."""

from __future__ import annotations

import math
from datetime import datetime
from random import Random

from khaen.site.model import Position
from simulators.city.buses import LINES, Sight
from simulators.city.city import City
from simulators.city.hours import UTC_OFFSET, hours_of
from simulators.city.noise import Noise
from simulators.city.sensor import Sensor, Values
from simulators.payloads import digital_matter


class Tracker(Sensor):
    """A bus of the line that has a stop nearest to where the site file puts it."""

    f_port = digital_matter.F_PORT

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self.line = min(LINES, key=lambda line: min(math.dist(s, self.spot) for s in line.stops))
        self.number = rng.randrange(self.line.buses)
        self._sky = Noise(f"{self.name}|accuracy", 0.1)

    def sight(self, at: datetime) -> Sight:
        """Where the bus is and how it moves."""
        return self.line.bus(self.number, hours_of(at))

    def position(self, at: datetime, home: Position) -> Position:
        """Where it is, for whoever receives its frames."""
        del home
        return self.sight(at).position

    def measure(self, hours: float) -> Values:
        """Degrees, km/h, V, °C, m."""
        sight = self.line.bus(self.number, hours)
        where = sight.position
        return {
            "latitude": where.latitude,
            "longitude": where.longitude,
            "heading": sight.heading,
            "speed": sight.speed,
            "ignition": sight.ignition,
            "supply": 27.4 if sight.ignition else 25.2,
            "temperature": self.city.weather.temperature(hours, sight.spot) + 6.0,
            "accuracy": 4.0 + abs(self._sky.at(hours)),
            "time": (hours - UTC_OFFSET) * 3600.0,
        }

    def encode(self, values: Values, charge: float) -> bytes:
        """Its own cell is charged by the bus."""
        del charge
        ignition, time = bool(values.pop("ignition")), int(values.pop("time"))
        return digital_matter.encode_g62(**values, ignition=ignition, time=time, battery=4.1)
