"""An elder who wears a band: her body follows what she does, and what befalls her.

Plausible, not clinical: a heart rate around a personal baseline, quicker on a walk and slower in
sleep, steps that come with walking, a skin that warms at rest. Nobody here is anybody.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

from simulators.device import Message
from simulators.payloads import wristband
from simulators.people.day import Activity, Days, Stretch

STEPS_PER_MINUTE: Final = 70
"""A slow walk."""
_SETTLING_S: Final = 60.0
"""How fast heart and skin follow: the time constant."""
_MOVED: Final = timedelta(minutes=1)
_BATTERY_HOURS: Final = 96.0
"""A charge lasts so long."""
_CHARGING_HOURS: Final = 1.5
_BEATS_PER_DEGREE: Final = 9.0
"""Beats per minute that a fever adds for each °C: 8 to 10 are usual (Liebermeister's rule)."""
_ROOM: Final = 29.0
"""°C of a band that nobody wears."""

# Beats per minute above the baseline, and °C of the skin.
_HEART = {Activity.ASLEEP: -8.0, Activity.RESTING: 0.0, Activity.WALKING: 24.0}
_SKIN = {Activity.ASLEEP: 34.2, Activity.RESTING: 33.4, Activity.WALKING: 32.6}


class Elder:
    """One wearer and her band, from `start` on; `rng` is her own, `oxygen` her usual SpO2 in %.

    What befalls her is told with the time `at` at which it begins. Each such method raises
    ValueError for a time before the last report: what was said stays said.
    """

    def __init__(self, rng: Random, start: datetime, *, oxygen: float = 96.5) -> None:
        self._rng = rng
        self._oxygen = oxygen
        self._baseline = rng.uniform(60.0, 82.0)
        self._battery = rng.uniform(45.0, 100.0)
        self._presses = rng.randrange(256)
        self._falls = rng.randrange(256)
        self._at = start
        self._steps = float(rng.randrange(0x10000))
        self._moved_at = start - timedelta(minutes=rng.uniform(0.0, 20.0))
        self._days = Days(f"{rng.getrandbits(64)}|day")
        self._befallen: list[Stretch] = []
        self._fevers: list[tuple[datetime, float, float]] = []
        self._wanders: list[tuple[datetime, float, float]] = []
        self._episodes: list[tuple[datetime, datetime, str, float]] = []
        self._now = self._days.at(start)
        self._heart = self._baseline + _HEART[self.activity]
        self._skin = _SKIN[self.activity] if self._now.worn else _ROOM

    @property
    def activity(self) -> Activity:
        """What she did when the band last reported."""
        return self._now.activity

    # -- what she does ------------------------------------------------------

    def press(self) -> int:
        """She presses for help: the press count of the call."""
        self._presses = (self._presses + 1) & 0xFF
        return self._presses

    def fall(self, at: datetime) -> int:
        """She falls and stays down: the count of the fall."""
        self._advance(at)
        self._falls = (self._falls + 1) & 0xFF
        self._befall(at, timedelta(minutes=30), Activity.RESTING)
        self._moved_at = at
        return self._falls

    def take_off(self, at: datetime) -> None:
        """The band comes off, and lies still until it is put on: a band left in a drawer."""
        self._befall(at, timedelta(days=36_500), Activity.RESTING, worn=False)

    def put_on(self, at: datetime) -> None:
        """The band is on her wrist again; without effect where it was not taken off."""
        self._check(at)
        self._befallen = [
            stretch if stretch.worn or stretch.start > at else _ending(stretch, at)
            for stretch in self._befallen
        ]

    def wander(self, at: datetime, metres: float, minutes: float) -> None:
        """She walks away from home, is `metres` away for half of the time, and comes back."""
        self._befall(at, timedelta(minutes=minutes), Activity.WALKING)
        self._wanders.append((at, minutes * 60, metres))

    def metres_from_home(self, at: datetime) -> float:
        """How far a wander has taken her; 0 at home, where ordinary walks count too."""
        return sum(metres * _rise(at, start, s, 0.25) for start, s, metres in self._wanders)

    def fever(self, at: datetime, celsius: float, hours: float) -> None:
        """A slow fever: it rises for a third of the time, stays for one and falls for one."""
        self._check(at)
        self._fevers.append((at, hours * 3600, celsius))

    def episode(
        self, kind: Literal["heart_rate", "spo2"], at: datetime, minutes: float, value: float
    ) -> None:
        """Her heart rate or oxygen is about `value` for a while, whatever she does."""
        self._check(at)
        self._episodes.append((at, at + timedelta(minutes=minutes), kind, value))

    # -- what her band says -------------------------------------------------

    def report(self, at: datetime) -> Message:
        """The band's telemetry at `at`, which does not go back."""
        self._advance(at)
        walking, worn = self.activity is Activity.WALKING, self._now.worn
        fever = sum(celsius * _rise(at, start, s, 1 / 3) for start, s, celsius in self._fevers)
        heart = self._vital("heart_rate", at, self._heart + _BEATS_PER_DEGREE * fever, 1.5)
        oxygen = min(100, self._vital("spo2", at, self._oxygen, 0.8))
        share = self._rng.uniform(60, 100) if walking else self._rng.uniform(0, 15)
        skin = self._skin + (fever if worn else 0.0) + self._rng.gauss(0.0, 0.05)
        values = wristband.Telemetry(
            worn=worn,
            charging=self._now.charging,
            moving=at - self._moved_at < _MOVED,
            battery=self.battery,
            heart_rate=heart if worn else None,
            spo2=oxygen if worn else None,
            signal_quality=(60 if walking else 90) if worn else None,
            activity=round(share) if worn else 0,
            skin_temperature=round(skin, 2),
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

    def _vital(self, kind: str, at: datetime, usual: float, spread: float) -> int:
        for start, end, what, value in self._episodes:
            if what == kind and start <= at < end:
                usual = value
        return round(usual + self._rng.gauss(0.0, spread))

    def _check(self, at: datetime) -> None:
        if at < self._at:
            raise ValueError(f"{at} is before {self._at}, when the band last spoke")

    def _befall(
        self, at: datetime, lasting: timedelta, activity: Activity, *, worn: bool = True
    ) -> None:
        self._check(at)
        self._befallen.append(Stretch(start=at, end=at + lasting, activity=activity, worn=worn))

    def _doing(self, at: datetime) -> Stretch:
        """What she does at a time and until when: what befalls her goes before her plan."""
        self._befallen = [stretch for stretch in self._befallen if stretch.end > at]
        doing = self._days.at(at)
        for stretch in self._befallen:
            if stretch.start <= at:
                doing = stretch
        edges = [stretch.start for stretch in self._befallen if stretch.start > at]
        return _ending(doing, min((doing.end, *edges)))

    def _advance(self, at: datetime) -> None:
        while self._at < at:
            self._now = self._doing(self._at)
            self._live(min(at, self._now.end))
        self._now = self._doing(self._at)

    def _live(self, at: datetime) -> None:
        seconds = (at - self._at).total_seconds()
        follow = 1.0 - math.exp(-seconds / _SETTLING_S)
        skin = _SKIN[self.activity] if self._now.worn else _ROOM
        self._heart += (self._baseline + _HEART[self.activity] - self._heart) * follow
        self._skin += (skin - self._skin) * follow
        hours = seconds / 3600
        gained = hours / _CHARGING_HOURS if self._now.charging else -hours / _BATTERY_HOURS
        self._battery = min(100.0, max(5.0, self._battery + 100.0 * gained))
        if self.activity is Activity.WALKING:
            self._steps += STEPS_PER_MINUTE * seconds / 60
            self._moved_at = at
        self._at = at


def _ending(stretch: Stretch, end: datetime) -> Stretch:
    return Stretch(
        start=stretch.start,
        end=min(stretch.end, end),
        activity=stretch.activity,
        worn=stretch.worn,
        charging=stretch.charging,
    )


def _rise(at: datetime, start: datetime, seconds: float, share: float) -> float:
    """0 before and after, 1 in the middle; rising and falling for a `share` of the time each."""
    passed = (at - start).total_seconds() / seconds
    return min(1.0, max(0.0, min(passed, 1.0 - passed) / share))
