"""Alarms in the ledger: subjects' states, what rules made of them, what people did.

A unique key in the database keeps one open alarm per subject and rule. Whatever is written here
is written together: the alarm, its event, who is to be told, and the journal's entry.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text, update

from khaen.alarm import WAITING, Alarm, AlarmClass, Change, Priority, State
from khaen.clock import from_micros, to_micros
from khaen.errors import IllegalTransition
from khaen.evaluation import AlarmChange, Evaluation, SubjectState, TimerCancelled, TimerSet
from khaen.ids import AlarmId, OrganisationId, SubjectId
from khaen.log import logger
from store import calls, timers
from store.alarm_row import AlarmEvent, event_from_row, from_row, open_key, to_row, to_text
from store.database import Transaction
from store.journal import Kind
from store.schema import registry
from store.schema.alarms import alarm as table
from store.schema.alarms import alarm_event, subject_state
from store.timers import Timer, TimerKind

__all__ = [
    "AlarmEvent",
    "Counts",
    "change",
    "counts",
    "events",
    "get",
    "listed",
    "note",
    "open_counts",
    "open_subjects",
    "raise_technical",
    "record",
    "states",
]

_log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Open alarms, and those of them that nobody has answered, by priority."""

    open: Mapping[Priority, int]
    waiting: Mapping[Priority, int]


def states(
    source: Connection | Transaction, subjects: Iterable[SubjectId]
) -> dict[SubjectId, SubjectState]:
    """The state of each subject with its open alarms; an empty one for a subject never seen.

    In a transaction the subjects' rows are locked, in the order of their ids, until it ends: only
    then may the outcome be recorded.
    """
    wanted = sorted(set(subjects))
    if isinstance(source, Transaction):
        connection = source.connection
        found = _read_states(connection, wanted, lock=True)
        if missing := [subject for subject in wanted if subject not in found]:
            connection.execute(_FIRST, [{"subject": subject} for subject in missing])
            found |= _read_states(connection, missing, lock=True)
    else:
        connection = source
        found = _read_states(connection, wanted, lock=False)
    alarms: dict[str, dict[str, Alarm]] = {}
    rows = connection.execute(
        select(table).where(table.c.subject.in_(wanted), table.c.open_key.is_not(None))
    )
    for row in rows:
        alarms.setdefault(row.subject, {})[row.rule] = from_row(row)
    return {
        subject: replace(
            found.get(subject, SubjectState(subject=subject)), open=alarms.get(subject, {})
        )
        for subject in wanted
    }


def record(tx: Transaction, evaluation: Evaluation) -> None:
    """Write all that an evaluation led to. The subject's state must have been read in `tx`."""
    state = evaluation.state
    tx.connection.execute(
        _SAVE,
        {
            "subject": state.subject,
            "event_at": None if state.event_at is None else to_micros(state.event_at),
            "rules": to_text(state.rules),
        },
    )
    for entry in evaluation.changes:
        try:
            change(tx, entry)
        except IllegalTransition:  # what followed a raise that was known, or joined another
            _log.warning("alarm_change_dropped", rule=entry.alarm.rule, change=entry.change)
    for timer in evaluation.timers:
        _set_timer(tx, state.subject, timer)


def change(tx: Transaction, entry: AlarmChange) -> None:
    """Write an alarm as it is after a change, its event, and whom to tell or to leave in peace.

    The change must have been made of the alarm that `get` or `states` gave in `tx`. One that is
    written already (a second click, a raise evaluated twice) leaves no trace. A raise beside an
    open alarm of the same subject and rule joins that. Raises IllegalTransition for a change of
    an alarm that is closed, or that there is not.
    """
    if entry.change is Change.RAISED:
        joined = _raise(tx, entry)
        if joined is None:
            return
        entry = joined
    else:
        known = get(tx, entry.alarm.id)
        if known is None or not (known.open or known == entry.alarm):
            raise IllegalTransition(f"{entry.change}: the alarm is closed, or was never raised")
        if known == entry.alarm and not entry.notify:
            return
        _update(tx, entry.alarm)
    _append(tx, entry)
    calls.follow(tx, entry)


def note(tx: Transaction, entry: AlarmChange) -> None:
    """Put an event in an alarm's timeline that leaves the alarm itself as it is."""
    _append(tx, entry)


def raise_technical(
    tx: Transaction,
    *,
    organisation: OrganisationId,
    subject: SubjectId,
    rule: str,
    priority: Priority,
    reason: str,
    event_at: datetime,
) -> AlarmId:
    """Raise an alarm for engineers, or join the open one silently: it only counts there.

    Silently unless the open one's condition had gone meanwhile: then it is back, and is told. A
    P3 calls nobody.
    """
    row = tx.connection.execute(
        select(table).where(table.c.open_key == open_key(subject, rule))
    ).one_or_none()
    now = from_micros(tx.now)
    if row is None:
        alarm = Alarm(
            id=AlarmId(uuid.uuid4()),
            organisation=organisation,
            subject=subject,
            rule=rule,
            alarm_class=AlarmClass.TECHNICAL,
            priority=priority,
            state=State.UNACKNOWLEDGED,
            event_at=event_at,
            raised_at=now,
            simulated=_is_simulated(tx.connection, organisation),
            reason=reason,
        )
        told = priority is not Priority.P3  # which waits for somebody to look
        change(tx, AlarmChange(alarm=alarm, change=Change.RAISED, at=event_at, notify=told))
        return alarm.id
    known = from_row(row)
    counted = replace(known, presses=known.presses + 1)
    if known.state is State.RETURNED_UNACKNOWLEDGED:
        back = replace(counted, state=State.UNACKNOWLEDGED, reason=reason)
        told = back.priority is not Priority.P3
        change(
            tx, AlarmChange(alarm=back, change=Change.CONDITION_RETURNED, at=event_at, notify=told)
        )
    else:
        _update(tx, counted)
    return known.id


def get(source: Connection | Transaction, alarm_id: AlarmId) -> Alarm | None:
    """One alarm; in a transaction its row is locked, so that a change can be made of it."""
    connection = source.connection if isinstance(source, Transaction) else source
    query = select(table).where(table.c.id == alarm_id.bytes)
    if isinstance(source, Transaction):
        query = query.with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else from_row(row)


def listed(
    connection: Connection,
    organisations: frozenset[str],
    *,
    open_only: bool = True,
    limit: int = 200,
) -> list[Alarm]:
    """Alarms of these organisations.

    Open ones in the order of the queue: by priority, then the oldest first. All of them: the
    newest first.
    """
    query = select(table).where(table.c.organisation.in_(sorted(organisations))).limit(limit)
    if open_only:
        query = query.where(table.c.open_key.is_not(None))
        query = query.order_by(table.c.priority, table.c.raised_at, table.c.id)
    else:
        query = query.order_by(table.c.raised_at.desc(), table.c.id)
    return [from_row(row) for row in connection.execute(query)]


def events(connection: Connection, alarm_id: AlarmId) -> list[AlarmEvent]:
    """All that happened to an alarm, in the order in which the ledger had it."""
    rows = connection.execute(
        select(alarm_event).where(alarm_event.c.alarm == alarm_id.bytes).order_by(alarm_event.c.seq)
    )
    return [event_from_row(row) for row in rows]


def open_subjects(connection: Connection, rule: str) -> frozenset[SubjectId]:
    """Whom the open alarms of a rule are about."""
    found = connection.execute(
        select(table.c.subject).where(table.c.open_key.is_not(None), table.c.rule == rule)
    )
    return frozenset(SubjectId(row.subject) for row in found)


def open_counts(connection: Connection, subjects: Collection[SubjectId]) -> dict[SubjectId, int]:
    """How many alarms of each subject are open; who has none is left out."""
    rows = connection.execute(
        select(table.c.subject, func.count().label("n"))
        .where(table.c.subject.in_(sorted(subjects)), table.c.open_key.is_not(None))
        .group_by(table.c.subject)
    )
    return {SubjectId(row.subject): row.n for row in rows}


def counts(connection: Connection, organisations: frozenset[str]) -> Counts:
    """How many alarms of these organisations are open, and how many wait."""
    rows = connection.execute(
        select(table.c.priority, table.c.state).where(
            table.c.organisation.in_(sorted(organisations)), table.c.open_key.is_not(None)
        )
    )
    opened = dict.fromkeys(Priority, 0)
    waiting = dict.fromkeys(Priority, 0)
    for row in rows:
        opened[Priority(row.priority)] += 1
        waiting[Priority(row.priority)] += State(row.state) in WAITING
    return Counts(open=opened, waiting=waiting)


_FIRST = text(
    "INSERT INTO subject_state (subject, rules) VALUES (:subject, '{}')"
    " ON CONFLICT (subject) DO NOTHING"
)
_SAVE = text(
    "INSERT INTO subject_state (subject, event_at, rules) VALUES (:subject, :event_at, :rules)"
    " ON CONFLICT (subject) DO UPDATE SET event_at = excluded.event_at, rules = excluded.rules"
)


def _set_timer(tx: Transaction, subject: SubjectId, entry: TimerSet | TimerCancelled) -> None:
    if isinstance(entry, TimerCancelled):
        timers.cancel(tx, timers.key(TimerKind.RULE, entry.rule, subject))
        return
    due_at = entry.due_at
    timers.put(tx, Timer(kind=TimerKind.RULE, subject=subject, rule=entry.rule, due_at=due_at))


def _read_states(
    connection: Connection, subjects: list[SubjectId], *, lock: bool
) -> dict[SubjectId, SubjectState]:
    query = select(subject_state).where(subject_state.c.subject.in_(subjects))
    if lock:
        query = query.order_by(subject_state.c.subject).with_for_update()
    return {
        SubjectId(row.subject): SubjectState(
            subject=SubjectId(row.subject),
            event_at=None if row.event_at is None else from_micros(row.event_at),
            rules=json.loads(row.rules),
        )
        for row in connection.execute(query)
    }


def _raise(tx: Transaction, entry: AlarmChange) -> AlarmChange | None:
    """Insert the alarm; what is to be written instead where there is one, None for the same one."""
    if tx.connection.execute(_INSERT, to_row(entry.alarm)).rowcount == 1:
        return entry
    if get(tx, entry.alarm.id) is not None:
        return None
    at_key = table.c.open_key == open_key(entry.alarm.subject, entry.alarm.rule)
    known = from_row(tx.connection.execute(select(table).where(at_key)).one())
    joined = replace(
        known,
        presses=known.presses + entry.alarm.presses,
        priority=min(known.priority, entry.alarm.priority),
        state=State.ACKNOWLEDGED if known.state is State.ACKNOWLEDGED else State.UNACKNOWLEDGED,
    )
    _update(tx, joined)
    detail = {**entry.detail, "joined": str(entry.alarm.id)}
    return replace(entry, alarm=joined, change=Change.PRESSED_AGAIN, detail=detail)


_COLUMNS = tuple(column.name for column in table.columns)
_INSERT = text(
    f"INSERT INTO alarm ({', '.join(_COLUMNS)})"  # noqa: S608 (our own column names)
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) ON CONFLICT DO NOTHING"
)


def _update(tx: Transaction, alarm: Alarm) -> None:
    tx.connection.execute(update(table).where(table.c.id == alarm.id.bytes).values(to_row(alarm)))


def _append(tx: Transaction, entry: AlarmChange) -> None:
    tx.connection.execute(
        insert(alarm_event).values(
            alarm=entry.alarm.id.bytes,
            at=to_micros(entry.at),
            recorded_at=tx.now,
            change=entry.change,
            state=entry.alarm.state,
            actor=entry.actor,
            detail=to_text(entry.detail),
            uplink=entry.uplink_id.bytes if entry.uplink_id else None,
        )
    )
    tx.journal(Kind.ALARM, str(entry.alarm.id))


def _is_simulated(connection: Connection, organisation: OrganisationId) -> bool:
    of = registry.organisation
    found = connection.execute(select(of.c.simulated).where(of.c.id == organisation))
    return bool(found.scalar_one_or_none())
