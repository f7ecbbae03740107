"""What befalls elders by chance, as acts: for long simulations; nothing happens unless asked for.

How often is by elder and month. Falls follow the World Health Organization's "Global report on
falls prevention in older age" (2007): 28 to 35 % of those over 64 fall each year, some more than
once. The rest are assumptions.
All of a day follows from seed, resident and date.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, time, timedelta
from random import Random
from types import MappingProxyType
from typing import Final, Literal

from simulators.acts import vocabulary as acts
from simulators.acts.vocabulary import Act
from simulators.people.day import BANGKOK

MONTH_DAYS: Final = 30.4
_PATIENCE_S: Final = (120.0, 300.0)
"""Seconds until she presses again when nobody has answered."""
_THEN: Final[tuple[Literal["still", "moves", "cancels"], ...]] = ("still", "moves", "cancels")

Befall = Callable[[Random, str], tuple[float, Act]]
"""The hour of the day, and what happens then."""


def _fall(rng: Random, resident: str) -> tuple[float, Act]:
    (then,) = rng.choices(_THEN, (35, 45, 20))
    return rng.triangular(4.5, 22.0, 6.5), acts.Fall(resident=resident, then=then)


def _clap(rng: Random, resident: str) -> tuple[float, Act]:
    return rng.uniform(7.0, 20.0), acts.Clap(resident=resident)


def _press(rng: Random, resident: str) -> tuple[float, Act]:
    act = acts.Press(resident=resident, again=rng.randrange(4), every_s=rng.uniform(*_PATIENCE_S))
    return rng.uniform(0.0, 24.0), act


def _take_off(rng: Random, resident: str) -> tuple[float, Act]:
    return rng.uniform(6.0, 11.0), acts.TakeOff(resident=resident)


def _wander(rng: Random, resident: str) -> tuple[float, Act]:
    act = acts.Wander(resident=resident, metres=rng.uniform(160, 1500), minutes=rng.uniform(20, 90))
    return rng.uniform(0.5, 4.5), act


def _fever(rng: Random, resident: str) -> tuple[float, Act]:
    act = acts.Fever(
        resident=resident, celsius=rng.uniform(0.8, 2.2), hours=rng.uniform(12.0, 72.0)
    )
    return rng.uniform(0.0, 24.0), act


def _fast(rng: Random, resident: str) -> tuple[float, Act]:
    act = acts.Episode(
        resident=resident, value=rng.uniform(112, 150), minutes=rng.uniform(4.0, 30.0)
    )
    return rng.uniform(0.0, 24.0), act


def _breathless(rng: Random, resident: str) -> tuple[float, Act]:
    act = acts.Episode(
        resident=resident,
        vital="spo2",
        value=rng.uniform(82, 91),
        minutes=rng.uniform(10.0, 90.0),
    )
    return rng.uniform(0.0, 24.0), act


RATES: Final[Mapping[Befall, float]] = MappingProxyType(
    {
        _fall: 0.05,
        _clap: 0.4,
        _press: 0.25,
        _take_off: 0.5,
        _wander: 0.03,
        _fever: 0.06,
        _fast: 0.05,
        _breathless: 0.05,
    }
)
"""How often each befalls an elder in a month."""


def befall(
    residents: Iterable[str], seed: int, start: datetime, days: int, *, often: float = 1.0
) -> Iterator[tuple[datetime, Act]]:
    """What befalls residents for so many days from `start` on, in order of time.

    `often` makes it so many times as often. A band that was taken off is put on within a day.
    """
    names = tuple(residents)
    midnight = datetime.combine(start.astimezone(BANGKOK).date(), time(), BANGKOK)
    until = start + timedelta(days=days)
    waiting: list[tuple[datetime, Act]] = []
    for number in range(-1, days + 1):
        day = midnight + timedelta(days=number)
        waiting += (pair for name in names for pair in _befall(name, seed, day, often))
        waiting.sort(key=lambda pair: pair[0])
        due = bisect_left(waiting, day + timedelta(days=1), key=lambda pair: pair[0])
        yield from ((at, act) for at, act in waiting[:due] if start <= at < until)
        del waiting[:due]


def usual_oxygen(resident: str, seed: int) -> float:
    """An elder's usual SpO2 in %: about 90 for the few with COPD."""
    rng = Random(f"{seed}|oxygen|{resident}")
    return rng.uniform(88.0, 92.0) if rng.random() < 0.06 else rng.uniform(95.5, 98.0)


def _befall(
    resident: str, seed: int, midnight: datetime, often: float
) -> Iterator[tuple[datetime, Act]]:
    rng = Random(f"{seed}|befalls|{resident}|{midnight.date()}")
    for befalls, rate in RATES.items():
        if rng.random() >= rate * often / MONTH_DAYS:
            continue
        hour, act = befalls(rng, resident)
        at = midnight + timedelta(hours=hour)
        yield at, act
        if isinstance(act, acts.TakeOff):
            yield at + timedelta(hours=rng.uniform(3.0, 20.0)), acts.PutOn(resident=resident)
