"""An elder who wears a band: what she does follows the hour, and her body follows what she does.

Plausible, not clinical: a heart rate around a personal baseline, quicker on a walk and slower in
sleep, steps that come with walking, a skin that warms at rest. Nobody here is anybody.
"""

from __future__ import annotations

import enum
import math
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Final

from simulators.device import Message
from simulators.payloads import wristband

BANGKOK: Final = timezone(timedelta(hours=7), "Asia/Bangkok")
"""Without daylight saving since 1920."""
STEPS_PER_MINUTE: Final = 70
"""A slow walk."""
_SETTLING_S: Final = 60.0
"""How fast heart and skin follow: the time constant."""
_MOVED: Final = timedelta(minutes=1)
_BATTERY_HOURS: Final = 96.0
"""A charge lasts so long."""


class Activity(enum.StrEnum):
    """What an elder is doing."""

    ASLEEP = "asleep"
    RESTING = "resting"
    WALKING = "walking"


# Beats per minute above the baseline, °C of the skin, and how long it lasts in minutes.
_HEART = {Activity.ASLEEP: -8.0, Activity.RESTING: 0.0, Activity.WALKING: 24.0}
_SKIN = {Activity.ASLEEP: 34.2, Activity.RESTING: 33.4, Activity.WALKING: 32.6}
_MINUTES = {Activity.ASLEEP: (40, 120), Activity.RESTING: (5, 40), Activity.WALKING: (3, 15)}


class Elder:
    """One wearer and her band, from `start` on; `rng` is her own."""

    def __init__(self, rng: Random, start: datetime) -> None:
        self._rng = rng
        self._baseline = rng.uniform(60.0, 82.0)
        self._battery = rng.uniform(45.0, 100.0)
        self._presses = rng.randrange(256)
        self._falls = rng.randrange(256)
        self._at = start
        self._steps = float(rng.randrange(0x10000))
        self._moved_at = start - timedelta(minutes=rng.uniform(0.0, 20.0))
        self.activity = self._choose(start)
        self._until = start + self._duration()
        self._heart = self._baseline + _HEART[self.activity]
        self._skin = _SKIN[self.activity]

    # -- what she does ------------------------------------------------------

    def press(self) -> int:
        """She presses for help: the press count of the call."""
        self._presses = (self._presses + 1) & 0xFF
        return self._presses

    def fall(self, at: datetime) -> int:
        """She falls and stays down: the count of the fall."""
        self._advance(at)
        self._falls = (self._falls + 1) & 0xFF
        self.activity, self._until = Activity.RESTING, at + timedelta(minutes=30)
        self._moved_at = at
        return self._falls

    # -- what her band says -------------------------------------------------

    def report(self, at: datetime) -> Message:
        """The band's telemetry at `at`, which does not go back."""
        self._advance(at)
        walking = self.activity is Activity.WALKING
        values = wristband.Telemetry(
            worn=True,
            charging=False,
            moving=at - self._moved_at < _MOVED,
            battery=self.battery,
            heart_rate=round(self._heart + self._rng.gauss(0.0, 1.5)),
            spo2=min(100, round(self._rng.gauss(96.5, 0.8))),
            signal_quality=60 if walking else 90,
            activity=round(self._rng.uniform(60, 100) if walking else self._rng.uniform(0, 15)),
            skin_temperature=round(self._skin + self._rng.gauss(0.0, 0.05), 2),
            steps=int(self._steps),
            still_time=int((at - self._moved_at).total_seconds() // 60),
        )
        return Message(f_port=wristband.TELEMETRY_PORT, payload=wristband.encode_telemetry(values))

    def call(self, press: int, age: float) -> Message:
        """The band's call for help `age` seconds after the press."""
        payload = wristband.encode_sos(press=press, battery=self.battery, age=int(age))
        return Message(f_port=wristband.SOS_PORT, payload=payload, confirmed=True)

    def fall_message(self, stage: wristband.Stage, fall: int, age: float) -> Message:
        """What the band says of a fall `age` seconds after the impact."""
        payload = wristband.encode_fall(stage, fall=fall, battery=self.battery, age=int(age))
        return Message(f_port=wristband.FALL_PORT, payload=payload, confirmed=True)

    @property
    def battery(self) -> int:
        """Whole % of charge."""
        return round(self._battery)

    # -- time ---------------------------------------------------------------

    def _advance(self, at: datetime) -> None:
        while self._until <= at:
            self._live(self._until)
            self.activity = self._choose(self._until)
            self._until += self._duration()
        self._live(at)

    def _live(self, at: datetime) -> None:
        seconds = max(0.0, (at - self._at).total_seconds())
        follow = 1.0 - math.exp(-seconds / _SETTLING_S)
        self._heart += (self._baseline + _HEART[self.activity] - self._heart) * follow
        self._skin += (_SKIN[self.activity] - self._skin) * follow
        self._battery = max(5.0, self._battery - 100.0 * seconds / 3600 / _BATTERY_HOURS)
        if self.activity is Activity.WALKING:
            self._steps += STEPS_PER_MINUTE * seconds / 60
            self._moved_at = at
        self._at = max(self._at, at)

    def _choose(self, at: datetime) -> Activity:
        hour = at.astimezone(BANGKOK).hour
        if hour >= 21 or hour < 5:
            weights = (0.93, 0.05, 0.02)
        elif 12 <= hour < 14:
            weights = (0.35, 0.5, 0.15)
        else:
            weights = (0.04, 0.62, 0.34)
        return self._rng.choices(tuple(Activity), weights)[0]

    def _duration(self) -> timedelta:
        return timedelta(minutes=self._rng.uniform(*_MINUTES[self.activity]))
