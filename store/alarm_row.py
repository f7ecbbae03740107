"""An alarm and its events as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from khaen.alarm import Alarm, AlarmClass, Change, Outcome, Priority, State
from khaen.clock import from_micros, to_micros
from khaen.evaluation import Json
from khaen.ids import AlarmId, OrganisationId, SubjectId, UplinkId


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvent:
    """One thing that happened to an alarm; `state` is the one it led to.

    `at` is when it happened, `recorded_at` when the ledger had it. `actor` is a user's id or
    `system`.
    """

    alarm: AlarmId
    at: datetime
    recorded_at: datetime
    change: Change
    state: State
    actor: str
    detail: Json
    uplink_id: UplinkId | None = None


def open_key(subject: SubjectId, rule: str) -> str:
    """What at most one open alarm has."""
    return f"{subject}|{rule}"


def to_row(alarm: Alarm) -> dict[str, Any]:
    """The columns of table `alarm`."""
    return {
        "id": alarm.id.bytes,
        "organisation": alarm.organisation,
        "subject": alarm.subject,
        "rule": alarm.rule,
        "alarm_class": alarm.alarm_class,
        "priority": int(alarm.priority),
        "state": alarm.state,
        "event_at": to_micros(alarm.event_at),
        "raised_at": to_micros(alarm.raised_at),
        "presses": alarm.presses,
        "late": alarm.late,
        "simulated": alarm.simulated,
        "reason": alarm.reason,
        "accepted_by": alarm.accepted_by,
        "accepted_at": _micros(alarm.accepted_at),
        "closed_at": _micros(alarm.closed_at),
        "outcome": alarm.outcome,
        "open_key": open_key(alarm.subject, alarm.rule) if alarm.open else None,
    }


def from_row(row: Row[Any]) -> Alarm:
    """The alarm of a row of table `alarm`."""
    return Alarm(
        id=AlarmId(UUID(bytes=row.id)),
        organisation=OrganisationId(row.organisation),
        subject=SubjectId(row.subject),
        rule=row.rule,
        alarm_class=AlarmClass(row.alarm_class),
        priority=Priority(row.priority),
        state=State(row.state),
        event_at=from_micros(row.event_at),
        raised_at=from_micros(row.raised_at),
        presses=row.presses,
        late=row.late,
        simulated=row.simulated,
        reason=row.reason,
        accepted_by=row.accepted_by,
        accepted_at=_time(row.accepted_at),
        closed_at=_time(row.closed_at),
        outcome=None if row.outcome is None else Outcome(row.outcome),
    )


def event_from_row(row: Row[Any]) -> AlarmEvent:
    """The event of a row of table `alarm_event`."""
    return AlarmEvent(
        alarm=AlarmId(UUID(bytes=row.alarm)),
        at=from_micros(row.at),
        recorded_at=from_micros(row.recorded_at),
        change=Change(row.change),
        state=State(row.state),
        actor=row.actor,
        detail=json.loads(row.detail),
        uplink_id=None if row.uplink is None else UplinkId(UUID(bytes=row.uplink)),
    )


def to_text(document: Mapping[str, object]) -> str:
    """A document as JSON text; any mapping in it counts as an object."""
    return json.dumps(dict(document), default=_plain, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a JSON document")


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
