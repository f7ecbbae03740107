"""What differs between two readings of an uplink, and between the alarms of two runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

from ingest.comparison import AlarmDifference, AlarmFacts, DecodingDifference, ReadingDifference
from ingest.trial import Seen
from khaen.alarm import Alarm
from khaen.ids import SubjectId
from khaen.reading import Decoded, Event, Reading

SAME_WITHIN = timedelta(hours=1)
"""Alarms of one rule and subject this near to each other are one that comes at another time."""
_Key = tuple[str, str, object, int]


def of_uplink(before: Seen, after: Seen) -> DecodingDifference | None:
    """What differs in the reading of one uplink; None where nothing does."""
    if _meaning(before) == _meaning(after):
        return None
    events = [tuple(map(_event, side.decoded.events)) for side in (before, after)]
    warnings = [tuple(_warnings(side.decoded)) for side in (before, after)]
    uplink = after.uplink
    return DecodingDifference(
        family=after.family,
        dev_eui=uplink.dev_eui,
        f_cnt=uplink.f_cnt,
        f_port=uplink.f_port,
        received_at=uplink.received_at,
        readings=tuple(_readings(before.decoded, after.decoded)),
        events_before=events[0] if events[0] != events[1] else (),
        events_after=events[1] if events[0] != events[1] else (),
        warnings_before=warnings[0] if warnings[0] != warnings[1] else (),
        warnings_after=warnings[1] if warnings[0] != warnings[1] else (),
        error_before=before.error,
        error_after=after.error,
    )


def _meaning(seen: Seen) -> tuple[Decoded, str | None]:
    """What counts: not what a codec says beside, which nobody reads."""
    return replace(seen.decoded, raw=()), seen.error


def count(difference: DecodingDifference) -> Counter[str]:
    """What differs, as the counts of a FamilyChange."""
    found = Counter(changed=1)
    for reading in difference.readings:
        if reading.before is None:
            found["readings_added"] += 1
        elif reading.after is None:
            found["readings_removed"] += 1
        else:
            found["readings_changed"] += 1
    found["events_changed"] = difference.events_before != difference.events_after
    found["warnings_changed"] = difference.warnings_before != difference.warnings_after
    found["errors_added"] = difference.error_before is None and difference.error_after is not None
    found["errors_removed"] = difference.error_after is None and difference.error_before is not None
    return found


def of_alarms(before: Iterable[Alarm], after: Iterable[Alarm]) -> Iterator[AlarmDifference]:
    """What differs between the alarms of two runs, by rule, subject and time."""
    sides: tuple[dict[tuple[str, SubjectId], list[Alarm]], ...] = (
        defaultdict(list),
        defaultdict(list),
    )
    for side, alarms in zip(sides, (before, after), strict=True):
        for alarm in sorted(alarms, key=lambda alarm: (alarm.event_at, alarm.raised_at)):
            side[alarm.rule, alarm.subject].append(alarm)
    for rule, subject in sorted({*sides[0], *sides[1]}):
        for old, new in _pairs(sides[0][rule, subject], sides[1][rule, subject]):
            was, now = _facts(old), _facts(new)
            if was != now:
                yield AlarmDifference(rule=rule, subject=subject, before=was, after=now)


def _pairs(before: list[Alarm], after: list[Alarm]) -> Iterator[tuple[Alarm | None, Alarm | None]]:
    """The same alarm of both sides together: by its id, else the next one in time near enough."""
    ids = {alarm.id for alarm in before} & {alarm.id for alarm in after}
    by_id = {alarm.id: alarm for alarm in after}
    yield from ((alarm, by_id[alarm.id]) for alarm in before if alarm.id in ids)
    left = [alarm for alarm in before if alarm.id not in ids]
    right = [alarm for alarm in after if alarm.id not in ids]
    while left and right:
        apart = right[0].event_at - left[0].event_at
        if abs(apart) <= SAME_WITHIN:
            yield left.pop(0), right.pop(0)
        elif apart > SAME_WITHIN:
            yield left.pop(0), None
        else:
            yield None, right.pop(0)
    yield from ((alarm, None) for alarm in left)
    yield from ((None, alarm) for alarm in right)


def _facts(alarm: Alarm | None) -> AlarmFacts | None:
    if alarm is None:
        return None
    return AlarmFacts(
        event_at=alarm.event_at,
        raised_at=alarm.raised_at,
        priority=int(alarm.priority),
        reason=alarm.reason,
        presses=alarm.presses,
        late=alarm.late,
    )


def _readings(before: Decoded, after: Decoded) -> Iterator[ReadingDifference]:
    old, new = dict(_keyed(before.readings)), dict(_keyed(after.readings))
    for key in {**old, **new}:
        left, right = old.get(key), new.get(key)
        if left != right:
            yield ReadingDifference(
                quantity=key[0],
                channel=key[1],
                before=left.value if left else None,
                after=right.value if right else None,
            )


def _keyed(readings: Iterable[Reading]) -> Iterator[tuple[_Key, Reading]]:
    """Each reading under what tells it apart: its quantity, channel, time, and place among such."""
    met: Counter[tuple[str, str, object]] = Counter()
    for reading in readings:
        key = (reading.quantity, reading.channel, reading.measured_at)
        yield (*key, met[key]), reading
        met[key] += 1


def _event(event: Event) -> str:
    detail = " ".join(f"{key}={value:g}" for key, value in sorted(event.detail.items()))
    press = "" if event.press is None else f"press {event.press}"
    return " ".join(part for part in (event.kind.value, press, detail) if part)


def _warnings(decoded: Decoded) -> Iterator[str]:
    for warn in decoded.warnings:
        yield warn.text if warn.offset is None else f"{warn.text} at {warn.offset}"
