"""Which press of a button, or which fall, a frame belongs to: an answer that no order changes.

A press is (device, its count within `GAP_COUNTED` of event time); for a device that counts
nothing, the flagged frames up to the end flag or to a pause of `GAP_FLAGGED`. What is remembered
is a JSON document; the presses it stands for are the same whatever the order in which the frames
came, as long as its bounds are not reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from khaen.clock import to_micros
from khaen.evaluation import Json, Observation
from khaen.reading import Event

SECOND = 1_000_000
GAP_COUNTED = 600 * SECOND
"""Microseconds. Repeats end after 3 minutes and a count comes round after 256 presses."""
GAP_FLAGGED = 180 * SECOND

SPANS_KEPT = 64
MARKS_KEPT = 128
DEVICES_KEPT = 16

Span = tuple[int, int, int]
"""Count, first and last event time in microseconds."""
Mark = tuple[int, bool]
"""Event time, and whether it is the end flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """`memory` with the frame in it; `new` says that it tells of a press not known before."""

    memory: Json
    new: bool


def note(memory: Json, device: str, *, count: int | None, at: int, end: bool = False) -> Noted:
    """Remember one flagged frame of a device, heard at `at` (microseconds).

    An end flag with a count is a frame of its press as any other: the press may be heard of by it
    alone. One without a count only ends what was before it.
    """
    spans, marks = _spans(memory, device), _marks(memory, device)
    if count is not None:
        after, new = _span_in(spans, count, at)
        return Noted(memory=_with(memory, device, after, marks), new=new)
    frames = tuple(sorted({*marks, (at, end)}))
    new = not end and len(_clusters(frames)) > len(_clusters(marks))
    return Noted(memory=_with(memory, device, spans, _newest_of(frames)), new=new)


def hear(memory: Json, observation: Observation, event: Event, *, end: bool) -> Noted:
    """Remember an event of an observation.

    Frames whose counter may be a replay are remembered apart: they are hushed by a real press,
    but must not hush one.
    """
    at, device = to_micros(observation.event_at), observation.dev_eui
    if observation.fresh:
        return note(memory, device, count=event.press, at=at, end=end)
    known = knows(memory, device, count=event.press, at=at)
    noted = note(memory, f"{device} not fresh", count=event.press, at=at, end=end)
    return Noted(memory=noted.memory, new=noted.new and not known)


def describe(observation: Observation, event: Event) -> Json:
    """What an alarm's record says of the frame: which band, which press, how old."""
    detail: dict[str, object] = {"dev_eui": observation.dev_eui, **event.detail}
    if event.press is not None:
        detail["press"] = event.press
    if observation.late:
        detail["late"] = True
    return detail


def knows(memory: Json, device: str, *, count: int | None, at: int) -> bool:
    """Whether a frame at `at` would belong to a press that is known."""
    return not note(memory, device, count=count, at=at).new


def presses(memory: Json) -> frozenset[tuple[str, int | None, int, int]]:
    """All presses remembered: device, count, first and last event time."""
    found: set[tuple[str, int | None, int, int]] = set()
    for device in memory:
        found |= {(device, count, first, last) for count, first, last in _spans(memory, device)}
        found |= {(device, None, *cluster) for cluster in _clusters(_marks(memory, device))}
    return frozenset(found)


def _span_in(spans: tuple[Span, ...], count: int, at: int) -> tuple[tuple[Span, ...], bool]:
    mine = [s for s in spans if s[0] == count and s[1] - GAP_COUNTED <= at <= s[2] + GAP_COUNTED]
    merged = (count, min([at, *(s[1] for s in mine)]), max([at, *(s[2] for s in mine)]))
    others = sorted((s for s in spans if s not in mine), key=lambda s: s[2])
    return (*others[-(SPANS_KEPT - 1) :], merged), not mine


def _clusters(marks: tuple[Mark, ...]) -> list[tuple[int, int]]:
    """First and last time of each press of a device that counts nothing."""
    found: list[tuple[int, int]] = []
    ended = True
    for at, end in sorted(marks):
        if end:
            ended = True
        elif ended or at - found[-1][1] > GAP_FLAGGED:
            found.append((at, at))
            ended = False
        else:
            found[-1] = (found[-1][0], at)
    return found


def _newest_of(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """As many as are kept; of more, the ends that end nothing go first."""
    if len(marks) <= MARKS_KEPT:
        return marks
    before = (True, *(end for _at, end in marks))
    telling = tuple(
        mark for mark, ended in zip(marks, before, strict=False) if not (mark[1] and ended)
    )
    return telling[-MARKS_KEPT:]


def _spans(memory: Json, device: str) -> tuple[Span, ...]:
    entry = memory.get(device)
    rows = entry["spans"] if isinstance(entry, Mapping) else ()
    return tuple((int(c), int(first), int(last)) for c, first, last in rows)


def _marks(memory: Json, device: str) -> tuple[Mark, ...]:
    entry = memory.get(device)
    rows = entry["marks"] if isinstance(entry, Mapping) else ()
    return tuple((int(at), bool(end)) for at, end in rows)


def _with(memory: Json, device: str, spans: tuple[Span, ...], marks: tuple[Mark, ...]) -> Json:
    others = {name: entry for name, entry in memory.items() if name != device}
    if len(others) >= DEVICES_KEPT:
        others = dict(sorted(others.items(), key=lambda kv: _newest(memory, kv[0]))[1:])
    entry = {"spans": [list(span) for span in sorted(spans)], "marks": [list(m) for m in marks]}
    return {**others, device: entry}


def _newest(memory: Json, device: str) -> int:
    last = [span[2] for span in _spans(memory, device)] + [m[0] for m in _marks(memory, device)]
    return max(last, default=0)
