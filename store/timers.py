"""Durable timers: rows, not tasks. Claimed with a lease, taken by compare-and-set."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, text, update

from khaen.clock import from_micros, to_micros
from khaen.ids import AlarmId, SubjectId
from store.database import Transaction
from store.schema.alarms import timer


class TimerKind(enum.StrEnum):
    """Whom a timer wakes: a rule, or an alarm's plan: its next step, or its first once more."""

    RULE = "rule"
    ESCALATION = "escalation"
    AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One timer; `alarm`, `step` and `round` are a plan's, and `step` None is before its first."""

    kind: TimerKind
    subject: SubjectId
    rule: str
    due_at: datetime
    alarm: AlarmId | None = None
    step: int | None = None
    round: int = 0
    seq: int = 0

    @property
    def key(self) -> str:
        """What at most one timer has."""
        return key(self.kind, self.alarm or self.rule, self.subject)


def key(kind: TimerKind, what: AlarmId | str, subject: SubjectId) -> str:
    """`rule|subject` for a rule's timer, `plan|alarm` and `again|alarm` for those of a plan."""
    match kind:
        case TimerKind.RULE:
            return f"{what}|{subject}"
        case TimerKind.ESCALATION:
            return f"plan|{what}"
        case TimerKind.AGAIN:
            return f"again|{what}"


def put(tx: Transaction, entry: Timer) -> None:
    """Set a timer in the place of the earlier one with its key, also of one that is claimed."""
    cancel(tx, entry.key)
    tx.connection.execute(
        _INSERT,
        {
            "key": entry.key,
            "kind": entry.kind,
            "subject": entry.subject,
            "rule": entry.rule,
            "alarm": entry.alarm.bytes if entry.alarm else None,
            "step": entry.step,
            "round": entry.round,
            "due_at": to_micros(entry.due_at),
        },
    )


def cancel(tx: Transaction, *keys: str) -> None:
    """Take timers away, also those that a program has claimed."""
    tx.connection.execute(delete(timer).where(timer.c.key.in_(keys)))


def get(connection: Connection, of: str) -> Timer | None:
    """The timer with this key."""
    row = connection.execute(select(timer).where(timer.c.key == of)).one_or_none()
    return None if row is None else _timer(row)


def claim(tx: Transaction, *, by: str, lease_s: float, limit: int = 100) -> list[Timer]:
    """Lease due timers that nobody holds, oldest first.

    What is not taken within `lease_s` seconds, because its program died, is claimed again.
    """
    free = (
        select(timer.c.seq)
        .where(timer.c.due_at <= tx.now)
        .where(or_(timer.c.lease_until.is_(None), timer.c.lease_until <= tx.now))
        .order_by(timer.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = tx.connection.execute(
        update(timer)
        .where(timer.c.seq.in_(free.scalar_subquery()))
        .values(lease_by=by, lease_until=tx.now + int(lease_s * 1e6))
        .returning(timer)
    )
    return sorted((_timer(row) for row in rows), key=lambda entry: entry.due_at)


def take(tx: Transaction, entry: Timer, *, by: str) -> bool:
    """Take a claimed timer away, to act on it in this transaction.

    False when it was cancelled, set anew, or claimed by another program since.
    """
    due_at = to_micros(entry.due_at)  # the row's number alone may have been given out again
    mine = and_(timer.c.seq == entry.seq, timer.c.due_at == due_at, timer.c.lease_by == by)
    return tx.connection.execute(delete(timer).where(mine)).rowcount == 1


def release(tx: Transaction, *, by: str) -> None:
    """Give back what a program holds, before it ends."""
    tx.connection.execute(
        update(timer).where(timer.c.lease_by == by).values(lease_by=None, lease_until=None)
    )


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next timer can be claimed, perhaps now; None when there is none."""
    free = select(timer.c.due_at).where(timer.c.lease_until.is_(None))
    held = select(func.min(timer.c.lease_until)).where(timer.c.due_at <= to_micros(now))
    ahead = [
        connection.execute(free.order_by(timer.c.due_at).limit(1)).scalar_one_or_none(),
        connection.execute(held).scalar_one(),
    ]
    return min((from_micros(at) for at in ahead if at is not None), default=None)


_INSERT = text(
    "INSERT INTO timer (key, kind, subject, rule, alarm, step, round, due_at)"
    " VALUES (:key, :kind, :subject, :rule, :alarm, :step, :round, :due_at)"
)


def _timer(row: Row[tuple[object, ...]]) -> Timer:
    return Timer(
        kind=TimerKind(row.kind),
        subject=SubjectId(row.subject),
        rule=row.rule,
        due_at=from_micros(row.due_at),
        alarm=None if row.alarm is None else AlarmId(UUID(bytes=row.alarm)),
        step=row.step,
        round=row.round or 0,
        seq=row.seq,
    )
