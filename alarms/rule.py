"""What a rule is: pure functions from what was seen, and what it remembers, to changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from khaen.alarm import Alarm, AlarmClass, Change, Priority, State
from khaen.evaluation import (
    EMPTY,
    AlarmChange,
    Json,
    Observation,
    Silence,
    Subject,
    TimerCancelled,
    TimerSet,
)
from khaen.ids import AlarmId, SubjectId, UplinkId
from khaen.reading import EventKind

ALARM_NAMESPACE = uuid.UUID("6b6861656e3a5f8e9a3c616c61726d73")

Parameters = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a rule is given beside what was seen.

    `memory` is the rule's own JSON document of this subject, `alarm` its open alarm, `parameters`
    its defaults with what the registry overrides. `now` is the server's time.
    """

    subject: Subject
    now: datetime
    memory: Json = field(default_factory=lambda: EMPTY)
    alarm: Alarm | None = None
    parameters: Parameters = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule makes of it: its memory afterwards, changes in order, and its timer."""

    memory: Json
    changes: tuple[AlarmChange, ...] = ()
    timer: TimerSet | TimerCancelled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `id` is its module's name.

    `urgent` rules run first, and once more with an empty memory when they fail with theirs.
    `events` and `quantities` are what it listens to. `observe` gets an observation, `wake` its
    due timer, `watch` the look at a gateway; None where it has no use for one.
    """

    id: str
    alarm_class: AlarmClass
    urgent: bool = False
    defaults: Parameters = field(default_factory=lambda: MappingProxyType({}))
    events: frozenset[EventKind] = frozenset()
    quantities: frozenset[str] = frozenset()
    observe: Callable[[Observation, Situation], Verdict] | None = None
    wake: Callable[[datetime, Situation], Verdict] | None = None
    watch: Callable[[Silence, Situation], Verdict] | None = None


def alarm_id(rule: str, subject: SubjectId, origin: UplinkId | str) -> AlarmId:
    """The UUIDv5 of what raised an alarm: a replay of the same traffic gives the same id."""
    return AlarmId(uuid.uuid5(ALARM_NAMESPACE, f"{rule}|{subject}|{origin}"))


def new_alarm(
    rule: str,
    alarm_class: AlarmClass,
    situation: Situation,
    *,
    origin: UplinkId | str,
    priority: Priority,
    event_at: datetime,
    reason: str,
    late: bool = False,
) -> Alarm:
    """An alarm that nobody has seen yet. `origin` is the uplink, or what else raised it."""
    return Alarm(
        id=alarm_id(rule, situation.subject.id, origin),
        organisation=situation.subject.organisation,
        subject=situation.subject.id,
        rule=rule,
        alarm_class=alarm_class,
        priority=priority,
        state=State.UNACKNOWLEDGED,
        event_at=event_at,
        raised_at=situation.now,
        late=late,
        simulated=situation.subject.simulated,
        reason=reason,
    )


def raised(
    alarm: Alarm,
    *,
    at: datetime,
    uplink_id: UplinkId | None = None,
    detail: Json = EMPTY,
) -> AlarmChange:
    """The change by which an alarm begins."""
    return AlarmChange(
        alarm=alarm,
        change=Change.RAISED,
        at=at,
        notify=True,
        uplink_id=uplink_id,
        detail=detail,
    )
