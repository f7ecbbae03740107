"""An elder who wears a band: her body follows what she does, and what befalls her.

Plausible, not clinical: a heart rate around a personal baseline, quicker on a walk and slower in
sleep, steps that come with walking, a skin that warms at rest. Nobody here is anybody.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

from khaen.site.model import Position
from simulators.chance import gauss, make_key, uniform
from simulators.devices.device import Message
from simulators.payloads.wristband import Stage, Telemetry
from simulators.people.band import Band
from simulators.people.day import Activity, Days, Stretch
from simulators.people.troubles import Episode, Fever, Trouble, Wander, degrees, is_over

STEPS_PER_MINUTE: Final = 70
"""A slow walk."""
_SETTLING_S: Final = 60.0
"""How fast heart and skin follow: the time constant."""
_MOVED: Final = timedelta(minutes=1)
_UP_AGAIN: Final = timedelta(minutes=2)
_BEATS_PER_DEGREE: Final = 9.0
"""Beats per minute that a fever adds for each °C: 8 to 10 are usual (Liebermeister's rule)."""
_ROOM: Final = 29.0
"""°C of a band that nobody wears."""

# Beats per minute above the baseline, °C of the skin, and % of minutes with movement.
_HEART = {
    Activity.ASLEEP: -8.0, Activity.RESTING: 0.0, Activity.WALKING: 24.0, Activity.FALLEN: 12.0,
}  # fmt: skip
_SKIN = {
    Activity.ASLEEP: 34.2, Activity.RESTING: 33.4, Activity.WALKING: 32.6, Activity.FALLEN: 33.2,
}  # fmt: skip
_MOVES = {
    Activity.ASLEEP: (0, 15), Activity.RESTING: (0, 15), Activity.WALKING: (60, 100),
    Activity.FALLEN: (0, 0),
}  # fmt: skip


class Elder:
    """One wearer and her band, from `start` on; `oxygen` is her usual SpO2 in %, about 90 with
    COPD. What she is like is drawn from `rng`, which is not kept.

    What befalls her is told with the time `at` at which it begins. Each such method raises
    ValueError for a time before the last report: what was said stays said.
    """

    __slots__ = (
        "_at", "_baseline", "_befallen", "_days", "_heart", "_key", "_moved_at", "_now",
        "_planned", "_skin", "_steps", "_troubles", "band", "oxygen",
    )  # fmt: skip

    def __init__(self, rng: Random, start: datetime, *, oxygen: float = 96.5) -> None:
        self.oxygen = oxygen
        self._baseline = rng.uniform(60.0, 82.0)
        self.band = Band(
            battery=rng.uniform(45.0, 100.0),
            presses=rng.randrange(256),
            falls=rng.randrange(256),
        )
        self._at = start
        self._steps = float(rng.randrange(0x10000))
        self._moved_at = start - timedelta(minutes=rng.uniform(0.0, 20.0))
        seed = rng.getrandbits(64)
        self._key = make_key("elder", seed)
        self._days = Days(f"{seed}|day")
        self._befallen: tuple[Stretch, ...] = ()
        self._troubles: tuple[Trouble, ...] = ()
        self._planned = self._now = self._days.at(start)
        self._heart = self._baseline + _HEART[self.activity]
        self._skin = _SKIN[self.activity] if self._now.worn else _ROOM

    @property
    def activity(self) -> Activity:
        """What she did when the band last reported."""
        return self._now.activity

    @property
    def battery(self) -> int:
        """Whole % of the band's charge."""
        return self.band.battery

    @property
    def waiting(self) -> bool:
        """She has pressed, and her band has not heard that somebody comes."""
        return self.band.waiting

    # -- what she does ------------------------------------------------------

    def press(self) -> int:
        """She presses for help: the press count of the call."""
        return self.band.press()

    def fall(self, at: datetime, *, minutes: float = 30.0) -> int:
        """She falls, lies still for so long, and is up again: the count of the fall."""
        self._advance(at)
        up = at + timedelta(minutes=minutes)
        self._befall(at, up, Activity.FALLEN)
        self._befall(up, up + _UP_AGAIN, Activity.WALKING)
        self._moved_at = at
        return self.band.strike()

    def clap(self, at: datetime) -> int:
        """She claps, and her band takes it for a fall: the count of the fall."""
        self._advance(at)
        self._moved_at = at
        return self.band.strike()

    def take_off(self, at: datetime) -> None:
        """The band comes off, and lies still until it is put on: a band left in a drawer."""
        self._befall(at, at + timedelta(days=36_500), Activity.RESTING, worn=False)

    def put_on(self, at: datetime) -> None:
        """The band is on her wrist again; without effect where it was not taken off."""
        self._check(at)
        self._befallen = tuple(
            stretch if stretch.worn or stretch.start > at else _ending(stretch, at)
            for stretch in self._befallen
        )

    def wander(self, at: datetime, metres: float, minutes: float) -> None:
        """She walks away from home, is `metres` away for half of the time, and comes back."""
        self._befall(at, at + timedelta(minutes=minutes), Activity.WALKING)
        heading = 2 * math.pi * uniform(self._key, _number(at))
        self._suffer(Wander(start=at, seconds=minutes * 60, metres=metres, heading=heading))

    def fever(self, at: datetime, celsius: float, hours: float) -> None:
        """A slow fever: it rises for a third of the time, stays for one and falls for one."""
        self._suffer(Fever(start=at, seconds=hours * 3600, celsius=celsius))

    def episode(
        self, kind: Literal["heart_rate", "spo2"], at: datetime, minutes: float, value: float
    ) -> None:
        """Her heart rate or oxygen is about `value` for a while, whatever she does."""
        self._suffer(Episode(start=at, seconds=minutes * 60, kind=kind, value=value))

    # -- where she is -------------------------------------------------------

    def metres_from_home(self, at: datetime) -> float:
        """How far a wander has taken her; 0 at home, where ordinary walks count too."""
        return math.hypot(*self._away(at))

    def position(self, at: datetime, home: Position) -> Position:
        """Where her band is, for whoever receives its frames."""
        away = self._away(at)
        if not any(away):
            return home
        east, north = degrees(*away, home.latitude)
        return home.model_copy(
            update={"latitude": home.latitude + north, "longitude": home.longitude + east}
        )

    def _away(self, at: datetime) -> tuple[float, float]:
        if not self._troubles:
            return 0.0, 0.0
        ways = [wander.at(at) for wander in self._troubles if isinstance(wander, Wander)]
        return sum(way[0] for way in ways), sum(way[1] for way in ways)

    # -- what her band says and hears ---------------------------------------

    def report(self, at: datetime) -> Message:
        """The band's telemetry at `at`, which does not go back."""
        self._advance(at)
        still = at - self._moved_at
        walking, worn = self.activity is Activity.WALKING, self._now.worn
        fever = sum(trouble.at(at) for trouble in self._troubles if isinstance(trouble, Fever))
        number = _number(at)
        heart = self._heart + _BEATS_PER_DEGREE * fever + 1.5 * gauss(self._key, number)
        oxygen = self.oxygen + 0.8 * gauss(self._key, number + 1)
        least, most = _MOVES[self.activity]
        skin = self._skin + (fever if worn else 0.0) + 0.05 * gauss(self._key, number + 2)
        values = Telemetry(
            worn=worn,
            charging=self._now.charging,
            moving=still < _MOVED,
            battery=self.band.battery,
            heart_rate=round(self._vital("heart_rate", at, heart)) if worn else None,
            spo2=min(100, round(self._vital("spo2", at, oxygen))) if worn else None,
            signal_quality=(60 if walking else 90) if worn else None,
            activity=round(least + (most - least) * uniform(self._key, number + 3)) if worn else 0,
            skin_temperature=round(skin, 2),
            steps=int(self._steps),
            still_time=int(still.total_seconds() // 60),
            answer=self.band.answer,
        )
        return self.band.telemetry(values)

    def call(self, press: int, age: float) -> Message:
        """The band's call for help `age` seconds after the press."""
        return self.band.call(press, age, worn=self._now.worn)

    def fall_message(self, stage: Stage, fall: int, age: float) -> Message:
        """What the band says of a fall `age` seconds after the impact."""
        return self.band.fall(stage, fall, age, worn=self._now.worn)

    def hear(self, f_port: int, payload: bytes, at: datetime) -> None:
        """Her band takes an application's downlink; its number stands in the telemetry after."""
        del at
        self.band.hear(f_port, payload)

    def _vital(self, kind: str, at: datetime, usual: float) -> float:
        for trouble in self._troubles:
            if isinstance(trouble, Episode) and trouble.runs(kind, at):
                usual = trouble.value + 1.2 * gauss(self._key, _number(at) + 4)
        return usual

    # -- time ---------------------------------------------------------------

    def _check(self, at: datetime) -> None:
        if at < self._at:
            raise ValueError(f"{at} is before {self._at}, when the band last spoke")

    def _suffer(self, trouble: Trouble) -> None:
        self._check(trouble.start)
        still = (other for other in self._troubles if not is_over(other, self._at))
        self._troubles = (*still, trouble)

    def _befall(
        self, at: datetime, until: datetime, activity: Activity, *, worn: bool = True
    ) -> None:
        self._check(at)
        stretch = Stretch(start=at, end=until, activity=activity, worn=worn)
        self._befallen = (*self._befallen, stretch)

    def _doing(self, at: datetime) -> Stretch:
        """What she does at a time and until when: what befalls her goes before her plan."""
        if not self._planned.start <= at < self._planned.end:
            self._planned = self._days.at(at)
        if not self._befallen:
            return self._planned
        self._befallen = tuple(stretch for stretch in self._befallen if stretch.end > at)
        doing = self._planned
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
        self.band.live(seconds / 3600, charging=self._now.charging)
        if self.activity is Activity.WALKING:
            self._steps += STEPS_PER_MINUTE * seconds / 60
            self._moved_at = at
        self._at = at


def _number(at: datetime) -> int:
    """The first of eight numbers that belong to a quarter of a second."""
    return int(at.timestamp() * 4.0) * 8


def _ending(stretch: Stretch, end: datetime) -> Stretch:
    return Stretch(
        start=stretch.start,
        end=min(stretch.end, end),
        activity=stretch.activity,
        worn=stretch.worn,
        charging=stretch.charging,
    )
