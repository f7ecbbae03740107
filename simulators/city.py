"""What the city's sensors measure: slow walks within plausible ranges, each with its own chance.

Weather with seasons, rivers after rain and bins that fill come with the scenarios; here a value
wanders around a mean of Khon Kaen, and counters only grow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Final, Protocol

from simulators.device import Message
from simulators.payloads import decentlab, milesight
from simulators.people import BANGKOK


class Reporter(Protocol):
    """What a device says when its time has come; `at` does not go back."""

    def report(self, at: datetime) -> Message:
        """The next regular message."""


class Walk:
    """A value that wanders around `mean` with the standard deviation `spread` (an
    Ornstein-Uhlenbeck process), within `low`..`high`, and forgets in about `hours`.
    """

    def __init__(
        self,
        rng: Random,
        mean: float,
        spread: float,
        low: float,
        high: float,
        *,
        hours: float = 2.0,
    ) -> None:
        self._rng, self._mean, self._spread = rng, mean, spread
        self._low, self._high, self._hours = low, high, hours
        self._value = rng.gauss(mean, spread)
        self._at: datetime | None = None

    def at(self, at: datetime) -> float:
        """The value at a time."""
        hours = 0.0 if self._at is None else max(0.0, (at - self._at).total_seconds() / 3600)
        kept = math.exp(-hours / self._hours)
        noise = self._spread * math.sqrt(1.0 - kept * kept)
        self._value = self._mean + (self._value - self._mean) * kept + self._rng.gauss(0.0, noise)
        self._at = at
        return min(self._high, max(self._low, self._value))


def _battery(rng: Random) -> int:
    return rng.randrange(60, 101)


def _day_warmth(at: datetime) -> float:
    """°C above the day's mean: coolest before dawn, warmest at three in the afternoon."""
    local = at.astimezone(BANGKOK)
    return 5.0 * math.cos((local.hour + local.minute / 60 - 15) / 24 * 2 * math.pi)


class AirStation:
    """Decentlab DL-PM on a lamp post."""

    def __init__(self, rng: Random) -> None:
        self._device = rng.randrange(1, 0xFFFF)
        self._pm = Walk(rng, 28.0, 9.0, 3.0, 180.0)
        self._warmth = Walk(rng, 28.0, 0.8, 10.0, 45.0)
        self._humidity = Walk(rng, 65.0, 8.0, 20.0, 99.0)
        self._pressure = Walk(rng, 992.0, 1.5, 980.0, 1005.0)
        self._battery = rng.uniform(2.9, 3.1)

    def report(self, at: datetime) -> Message:
        pm = self._pm.at(at)
        payload = decentlab.encode_dl_pm(
            device=self._device,
            battery=self._battery,
            pm1_0=pm * 0.7,
            pm2_5=pm,
            pm10=pm * 1.6,
            temperature=self._warmth.at(at) + _day_warmth(at),
            humidity=self._humidity.at(at),
            pressure=self._pressure.at(at),
        )
        return Message(f_port=decentlab.F_PORT, payload=payload)


class Climate:
    """Milesight EM300-TH in a room where elders are."""

    def __init__(self, rng: Random) -> None:
        self._warmth = Walk(rng, 27.5, 0.8, 15.0, 42.0)
        self._humidity = Walk(rng, 62.0, 6.0, 20.0, 99.0)
        self._battery = _battery(rng)

    def report(self, at: datetime) -> Message:
        payload = milesight.encode_em300_th(
            temperature=self._warmth.at(at) + 0.6 * _day_warmth(at),
            humidity=self._humidity.at(at),
            battery=self._battery,
        )
        return Message(f_port=milesight.F_PORT, payload=payload)


class WaterGauge:
    """Milesight EM500-SWL in a canal or a pond."""

    def __init__(self, rng: Random) -> None:
        self._depth = Walk(rng, rng.uniform(0.8, 2.2), 0.15, 0.05, 5.0, hours=6.0)
        self._battery = _battery(rng)

    def report(self, at: datetime) -> Message:
        payload = milesight.encode_em500_swl(depth=self._depth.at(at), battery=self._battery)
        return Message(f_port=milesight.F_PORT, payload=payload)


class _Filling:
    """A container that fills within a day or so, and is emptied."""

    def __init__(self, rng: Random) -> None:
        self._full = rng.uniform(0.05, 0.9)
        self._per_hour = rng.uniform(0.02, 0.06)
        self._at: datetime | None = None

    def at(self, at: datetime) -> float:
        if self._at is not None:
            self._full += self._per_hour * max(0.0, (at - self._at).total_seconds() / 3600)
        self._at = at
        if self._full > 0.97:
            self._full = 0.03
        return self._full


class Bin:
    """Milesight EM400-MUD under the lid of a street bin, 1.2 m deep."""

    DEPTH: Final = 1.2

    def __init__(self, rng: Random) -> None:
        self._filling = _Filling(rng)
        self._warmth = Walk(rng, 29.0, 1.0, 10.0, 60.0)
        self._battery = _battery(rng)

    def report(self, at: datetime) -> Message:
        payload = milesight.encode_em400_mud(
            distance=self.DEPTH * (1.0 - self._filling.at(at)) + 0.05,
            temperature=self._warmth.at(at) + _day_warmth(at),
            tilted=False,
            battery=None,
        )
        return Message(f_port=milesight.F_PORT, payload=payload)


class Container:
    """Milesight WS201 in a container of 0.4 m, such as that of used needles."""

    DEPTH: Final = 0.4

    def __init__(self, rng: Random) -> None:
        self._filling = _Filling(rng)
        self._battery = _battery(rng)

    def report(self, at: datetime) -> Message:
        full = self._filling.at(at)
        payload = milesight.encode_ws201(
            distance=self.DEPTH * (1.0 - full), fill=round(full * 100), battery=self._battery
        )
        return Message(f_port=milesight.F_PORT, payload=payload)


class _Meter:
    """A load of about `watts` on a line of 230 V, and the energy that went through it."""

    def __init__(self, rng: Random, watts: float) -> None:
        self._voltage = Walk(rng, 229.0, 2.5, 205.0, 250.0)
        self._power = Walk(rng, watts, watts * 0.15, watts * 0.3, watts * 2, hours=0.5)
        self._factor = rng.uniform(0.86, 0.99)
        self._energy = rng.uniform(1e4, 1e6)
        self._at: datetime | None = None

    def payload(self, at: datetime, *, on: bool) -> bytes:
        voltage, power = self._voltage.at(at), self._power.at(at) if on else 0.0
        if self._at is not None:
            self._energy += power * max(0.0, (at - self._at).total_seconds() / 3600)
        self._at = at
        return milesight.encode_meter(
            voltage=voltage,
            current=power / voltage / self._factor,
            power=power,
            factor=self._factor,
            energy=self._energy,
        )


class Socket:
    """Milesight WS523 before the refrigerator of a clinic."""

    def __init__(self, rng: Random) -> None:
        self._meter = _Meter(rng, 140.0)

    def report(self, at: datetime) -> Message:
        payload = milesight.encode_ws523_switch(on=True) + self._meter.payload(at, on=True)
        return Message(f_port=milesight.F_PORT, payload=payload)


class StreetLights:
    """Milesight WS558 in a cabinet: eight lines of lamps, on from dusk to dawn."""

    def __init__(self, rng: Random) -> None:
        self._meter = _Meter(rng, 1600.0)

    def report(self, at: datetime) -> Message:
        dark = not 6 <= at.astimezone(BANGKOK).hour < 18
        switches = milesight.encode_ws558_switches(0x00FF if dark else 0)
        payload = switches + self._meter.payload(at, on=dark)
        return Message(f_port=milesight.F_PORT, payload=payload)


class WeatherStation:
    """Milesight WTS506 on a roof."""

    def __init__(self, rng: Random) -> None:
        self._warmth = Walk(rng, 28.0, 0.8, 10.0, 45.0)
        self._humidity = Walk(rng, 66.0, 7.0, 20.0, 99.0)
        self._pressure = Walk(rng, 992.0, 1.5, 980.0, 1005.0)
        self._wind = Walk(rng, 1.8, 0.9, 0.0, 18.0, hours=0.3)
        self._direction = Walk(rng, 180.0, 70.0, 0.0, 359.0, hours=1.0)
        self._rain = rng.uniform(0.0, 300.0)

    def report(self, at: datetime) -> Message:
        payload = milesight.encode_wts506(
            temperature=self._warmth.at(at) + _day_warmth(at),
            humidity=self._humidity.at(at),
            pressure=self._pressure.at(at),
            wind_direction=self._direction.at(at),
            wind_speed=self._wind.at(at),
            rain=self._rain,
        )
        return Message(f_port=milesight.F_PORT, payload=payload)


class Button:
    """Milesight WS101 on a wall: it says now and then that its battery is well."""

    def __init__(self, rng: Random) -> None:
        self._battery = _battery(rng)

    def report(self, at: datetime) -> Message:
        del at
        payload = milesight.encode_ws101(None, battery=self._battery)
        return Message(f_port=milesight.F_PORT, payload=payload)

    def press(self, how: milesight.Press) -> Message:
        """Somebody presses it."""
        payload = milesight.encode_ws101(how, battery=self._battery)
        return Message(f_port=milesight.F_PORT, payload=payload)


SENSORS: Final[Mapping[str, Callable[[Random], Reporter]]] = {
    "decentlab_dl_pm": AirStation,
    "milesight_em300_th": Climate,
    "milesight_em400_mud": Bin,
    "milesight_em500_swl": WaterGauge,
    "milesight_ws101": Button,
    "milesight_ws201": Container,
    "milesight_ws523": Socket,
    "milesight_ws558": StreetLights,
    "milesight_wts506": WeatherStation,
}
"""Families of the city that can be simulated, and what makes one of each."""
