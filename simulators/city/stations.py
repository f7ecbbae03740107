"""Stations that measure the air: dust on a lamp post, weather on a roof, warmth in a room."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Final

from khaen.site.model import Position
from simulators.city.city import City
from simulators.city.noise import Noise
from simulators.city.power import Register
from simulators.city.rain import rain_day
from simulators.city.sensor import Drifts, Ranges, Sensor, Values, percent
from simulators.payloads import decentlab, milesight

_AIR: Final = {"temperature": (-20.0, 60.0), "humidity": (0.0, 100.0)}
_DRIFTS: Final = {"temperature": 0.15, "humidity": 1.0}


class AirStation(Sensor):
    """Decentlab DL-PM on a lamp post."""

    f_port = decentlab.F_PORT
    ranges: ClassVar[Ranges] = {**_AIR, "pm2_5": (0.0, 1000.0), "coarse": (0.0, 1000.0)}
    drifts: ClassVar[Drifts] = {"pm2_5": 1.5, **_DRIFTS}

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self._number = rng.randrange(1, 0xFFFF)
        self._street = rng.uniform(0.85, 1.2)
        self._passing = Noise(f"{self.name}|dust", 0.3)

    def measure(self, hours: float) -> Values:
        """µg/m³, °C, %, hPa."""
        weather, air = self.city.weather, self.city.air
        pm2_5 = air.pm2_5(hours, self.spot) * self._street
        return {
            "pm2_5": pm2_5 * (1.0 + 0.06 * self._passing.at(hours)),
            "coarse": air.coarse(hours, self.spot) * self._street,
            "temperature": weather.temperature(hours, self.spot),
            "humidity": weather.humidity(hours, self.spot),
            "pressure": weather.pressure(hours),
        }

    def encode(self, values: Values, charge: float) -> bytes:
        """Two cells, 2.6 V when they are empty."""
        return decentlab.encode_dl_pm(
            device=self._number,
            battery=2.6 + 0.5 * charge,
            pm1_0=values["pm2_5"] * 0.7,
            pm2_5=values["pm2_5"],
            pm10=values["pm2_5"] + values["coarse"],
            temperature=values["temperature"],
            humidity=values["humidity"],
            pressure=values["pressure"],
        )


class WeatherStation(Sensor):
    """Milesight WTS506 on a roof; its rain counter comes round at 655.36 mm."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = {**_AIR, "wind_speed": (0.0, 60.0)}
    drifts: ClassVar[Drifts] = {**_DRIFTS, "pressure": 0.3}

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        rain = city.weather.rain
        self._gauge = Register(city.since, lambda day: rain.day(day, self.spot))
        self._gust = Noise(f"{self.name}|gust", 0.1)

    def measure(self, hours: float) -> Values:
        """°C, %, hPa, degrees, m/s, and mm since the counter began."""
        weather = self.city.weather
        wind = weather.wind_speed(hours, self.spot)
        rain = weather.rain.accumulated(hours, self.spot)
        return {
            "temperature": weather.temperature(hours, self.spot),
            "humidity": weather.humidity(hours, self.spot),
            "pressure": weather.pressure(hours),
            "wind_direction": weather.wind_direction(hours),
            "wind_speed": wind * (1.0 + 0.15 * self._gust.at(hours)),
            "rain": self._gauge.before(rain_day(hours)) + rain,
        }

    def encode(self, values: Values, charge: float) -> bytes:
        """Powered by a panel of its own."""
        del charge
        return milesight.encode_wts506(**values)


class Room(Sensor):
    """Milesight EM300-TH in a room where elders are: later, warmer and steadier than outside."""

    f_port = milesight.F_PORT
    ranges: ClassVar[Ranges] = _AIR
    drifts: ClassVar[Drifts] = _DRIFTS

    LATE: Final = 2.0
    """Hours by which the walls hold back the day's warmth."""

    def __init__(self, rng: Random, city: City, position: Position) -> None:
        super().__init__(rng, city, position)
        self._thin = rng.uniform(0.5, 0.85)
        self._indoors = rng.uniform(0.8, 2.5)
        self._people = Noise(f"{self.name}|people", 1.5)

    def measure(self, hours: float) -> Values:
        """°C, and % that the same vapour makes of that warmth."""
        weather = self.city.weather
        outside = weather.temperature(hours - self.LATE, self.spot)
        mean = weather.mean(int((hours - self.LATE) // 24))
        inside = mean + self._thin * (outside - mean) + self._indoors
        inside += 0.3 * self._people.at(hours)
        return {
            "temperature": inside,
            "humidity": weather.humidity_at(hours, self.spot, inside) + 2.0,
        }

    def encode(self, values: Values, charge: float) -> bytes:
        """Its maker's row of channels."""
        return milesight.encode_em300_th(**values, battery=percent(charge))
