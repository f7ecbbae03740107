"""What would change if other decoders and rules had been in use, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from khaen.clock import format_time
from khaen.ids import DevEui, SubjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingDifference:
    """One quantity; None on the side where it is not read."""

    quantity: str
    channel: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingDifference:
    """One uplink that is read otherwise. Events, warnings and errors stand as short texts."""

    family: str
    dev_eui: DevEui
    f_cnt: int
    f_port: int
    received_at: datetime
    readings: tuple[ReadingDifference, ...] = ()
    events_before: tuple[str, ...] = ()
    events_after: tuple[str, ...] = ()
    warnings_before: tuple[str, ...] = ()
    warnings_after: tuple[str, ...] = ()
    error_before: str | None = None
    error_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFacts:
    """What counts of an alarm."""

    event_at: datetime
    raised_at: datetime
    priority: int
    reason: str
    presses: int
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDifference:
    """An alarm that would rise (no `before`), would not rise (no `after`), or be another."""

    rule: str
    subject: SubjectId
    before: AlarmFacts | None
    after: AlarmFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyChange:
    """One family: its uplinks, those read otherwise, and what differs in them."""

    uplinks: int = 0
    changed: int = 0
    readings_added: int = 0
    readings_removed: int = 0
    readings_changed: int = 0
    events_changed: int = 0
    warnings_changed: int = 0
    errors_added: int = 0
    errors_removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One rule: alarms of today, and which would be new, gone or otherwise."""

    today: int = 0
    rise: int = 0
    gone: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of it. `taken` are messages for ingest, `passed_over` the other records.

    `refused` are messages that could not be opened or attributed, by reason. `failures_…` are rules
    that raised, as `rule:error`. `decodings` and `alarms` are the first examples.
    """

    taken: int
    passed_over: int
    refused: Mapping[str, int]
    families: Mapping[str, FamilyChange]
    rules: Mapping[str, RuleChange]
    failures_today: Mapping[str, int]
    failures_other: Mapping[str, int]
    decodings: tuple[DecodingDifference, ...]
    alarms: tuple[AlarmDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing would change."""
        return (
            not any(family.changed for family in self.families.values())
            and not any(rule.rise or rule.gone or rule.changed for rule in self.rules.values())
            and self.failures_today == self.failures_other
        )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as a JSON document; times are RFC 3339."""
    found: dict[str, Any] = _plain(asdict(comparison))
    return {"v": 1, "equal": comparison.equal, **found}


def render(comparison: Comparison) -> Iterator[str]:
    """The comparison for a person, line by line, plain text."""
    uplinks = sum(family.uplinks for family in comparison.families.values())
    yield f"{comparison.taken} messages, {uplinks} uplinks"
    if comparison.passed_over:
        yield f"  {comparison.passed_over} records are not for ingest and were passed over"
    for reason, count in sorted(comparison.refused.items()):
        yield f"  {count} could not be taken: {reason}"
    if comparison.equal:
        yield "Nothing would change."
        return
    yield from _decodings(comparison)
    yield from _alarms(comparison)
    for name, failures in (
        ("today", comparison.failures_today),
        ("the other version", comparison.failures_other),
    ):
        for what, count in sorted(failures.items()):
            yield f"failed in {name}: {what} ({count} times)"


def _decodings(comparison: Comparison) -> Iterator[str]:
    for family, change in sorted(comparison.families.items()):
        if change.changed:
            yield f"{family}: {change.changed} of {change.uplinks} uplinks read otherwise"
            counted = {
                name: count
                for name, count in asdict(change).items()
                if count and name not in {"uplinks", "changed"}
            }
            yield "  " + ", ".join(f"{n.replace('_', ' ')} {c}" for n, c in counted.items())
    for each in comparison.decodings:
        yield (
            f"  {format_time(each.received_at)} {each.family} {each.dev_eui} f_cnt {each.f_cnt}"
            f" port {each.f_port}"
        )
        for reading in each.readings:
            where = f"{reading.quantity} {reading.channel}".rstrip()
            yield f"    {where}: {_value(reading.before)} → {_value(reading.after)}"
        for before, after in (
            (each.events_before, each.events_after),
            (each.warnings_before, each.warnings_after),
            ((each.error_before,), (each.error_after,)),
        ):
            if before != after:
                yield f"    {_texts(before)} → {_texts(after)}"


def _alarms(comparison: Comparison) -> Iterator[str]:
    for rule, change in sorted(comparison.rules.items()):
        if change.rise or change.gone or change.changed:
            yield (
                f"alarms of {rule}: {change.rise} more would rise, {change.gone} would not rise,"
                f" {change.changed} would be otherwise, of {change.today} today"
            )
    for each in comparison.alarms:
        yield f"  {each.rule} {each.subject}: {_facts(each.before)} → {_facts(each.after)}"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _texts(texts: tuple[str | None, ...]) -> str:
    return ", ".join(text for text in texts if text) or "–"


def _facts(facts: AlarmFacts | None) -> str:
    if facts is None:
        return "–"
    late = ", late" if facts.late else ""
    return (
        f"P{facts.priority} {facts.reason} at {format_time(facts.event_at)}, raised"
        f" {format_time(facts.raised_at)}{late}, {facts.presses}×"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
