"""A codec's object to readings and events, as its mapping says and no further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from decoders.javascript import path as paths
from decoders.javascript.codec import Outcome
from decoders.javascript.mapping import EventEntry, Mapping, MeasuredAt, ReadingEntry, Scalar
from decoders.javascript.path import Path
from decoders.layout import OLDEST_CLOCK
from khaen.clock import parse_time
from khaen.reading import Decoded, Event, Quality, Reading, Warn

_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_LONGEST = 40
_SECONDS = {"s": 1, "ms": 1000}


def read(mapping: Mapping, outcome: Outcome) -> Decoded:
    """What the outcome says. Never raises; what the codec complains of becomes warnings.

    Where the codec speaks of errors and gives an object all the same, its readings are suspect and
    its events stand: a call is not lost because another field is bad.
    """
    warnings = [Warn(text=text) for text in (*outcome.errors, *outcome.warnings)]
    if outcome.data is None or outcome.fault is not None:
        return Decoded(warnings=tuple(warnings))
    quality = Quality.SUSPECT if outcome.errors else Quality.GOOD
    # Calls first: whatever is wrong with a number cannot come before them.
    events = [
        event
        for entry in mapping.events
        for event in _events(mapping, entry, outcome.data, warnings)
    ]
    readings = [
        reading
        for entry in mapping.readings
        for reading in _readings(mapping, entry, outcome.data, quality, warnings)
    ]
    return Decoded(readings=tuple(readings), events=tuple(events), warnings=tuple(warnings))


def _readings(
    mapping: Mapping, entry: ReadingEntry, data: Any, quality: Quality, warnings: list[Warn]
) -> Iterator[Reading]:
    for taken, value in paths.find(data, entry.path):
        number = _number(entry, value)
        if number is None:
            warnings.append(Warn(text=f"no {entry.quantity}: {_show(value)}"))
            continue
        dated = entry.measured_at or mapping.measured_at
        measured_at = _measured_at(dated, data, taken, warnings)
        if measured_at is None and dated is not None and paths.EACH in dated.path:
            continue  # one of many moments, and nobody knows which
        yield Reading(
            quantity=entry.quantity,
            value=number * entry.factor + entry.offset,
            quality=quality,
            channel=_channel(entry, data, taken),
            measured_at=measured_at,
            key=paths.render(taken),
        )


def _events(
    mapping: Mapping, entry: EventEntry, data: Any, warnings: list[Warn]
) -> Iterator[Event]:
    for taken, value in paths.find(data, entry.path):
        word = _word(value)
        kind = entry.kinds.get(word)
        if kind is None:
            if word not in entry.ignore:
                what = f"{paths.render(entry.path)}: {_show(value)} is not in the mapping"
                warnings.append(Warn(text=what))
            continue
        press = _beside(data, entry.press, taken) if entry.press else None
        detail = {
            name: float(found)
            for name, where in entry.detail.items()
            if isinstance(found := _beside(data, where, taken), int | float)
        }
        yield Event(
            kind=kind,
            press=int(press) if isinstance(press, int | float) else None,
            detail=detail,
            measured_at=_measured_at(
                entry.measured_at or mapping.measured_at, data, taken, warnings
            ),
        )


def _number(entry: ReadingEntry, value: Any) -> float | None:
    if any(_same(value, each) for each in entry.missing):
        return None
    if entry.values:
        return entry.values.get(_word(value))
    if isinstance(value, int | float):
        return _float(value)
    if isinstance(value, str) and entry.number_in_text and (found := _NUMBER.match(value)):
        return float(found[1])
    return None


def _float(value: int | float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _same(value: Any, other: Scalar) -> bool:
    """Equal, and both truth values or neither: 1 is not true."""
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


def _word(value: Any) -> str:
    """A value as a mapping's keys name it: `true`, `3`, `pressed`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _show(value: Any) -> str:
    return repr(value)[:_LONGEST]


def _channel(entry: ReadingEntry, data: Any, taken: Path) -> str:
    if entry.channel_key:
        found = next(paths.find(data, (*taken[:-1], entry.channel_key)), None)
        if found is not None:
            return _word(found[1])[:_LONGEST]
    if entry.channel or paths.EACH not in entry.path:
        return entry.channel
    return ".".join(str(step + 1) for step in taken if isinstance(step, int))


def _beside(data: Any, path: Path, taken: Path) -> Any:
    """The value at a path whose `[*]` stand for the elements that were taken; None without one."""
    indices = iter([step for step in taken if isinstance(step, int)])
    way = tuple(next(indices, step) if step == paths.EACH else step for step in path)
    return next((value for _, value in paths.find(data, way)), None)


def _measured_at(
    dated: MeasuredAt | None, data: Any, taken: Path, warnings: list[Warn]
) -> datetime | None:
    if dated is None:
        return None
    value = _beside(data, dated.path, taken)
    try:
        if dated.form == "rfc3339":
            at = parse_time(str(value))
        else:
            at = datetime.fromtimestamp(float(value) / _SECONDS[dated.form], UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        warnings.append(Warn(text=f"{paths.render(dated.path)}: {_show(value)} is no time"))
        return None
    if at < OLDEST_CLOCK:
        warnings.append(Warn(text="the device's clock was not set"))
        return None
    return at
