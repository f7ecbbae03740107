"""Notifications to people: each a row, claimed with a lease, and kept with what became of it."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, and_, case, func, insert, or_, select, update

from khaen.alarm import Priority
from khaen.clock import from_micros, to_micros
from khaen.ids import AlarmId
from store.database import Transaction
from store.schema.alarms import alarm, notification


class Delivery(enum.StrEnum):
    """What became of a notification."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing to tell one address; `id` is the key by which a receiver knows it again."""

    id: UUID
    alarm: AlarmId
    step: int
    round: int
    channel: str
    address: str
    state: Delivery
    tries: int
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None = None
    error: str | None = None


def queue(
    tx: Transaction,
    of: AlarmId,
    *,
    step: int,
    round: int,  # noqa: A002 (the field's own word)
    channel: str,
    address: str,
    refused: str | None = None,
) -> UUID:
    """Put a notification in the queue; one that is `refused` is only kept, cancelled, with why."""
    key = uuid.uuid4()
    tx.connection.execute(
        insert(notification).values(
            id=key.bytes,
            alarm=of.bytes,
            step=step,
            round=round,
            channel=channel,
            address=address,
            state=Delivery.CANCELLED if refused else Delivery.QUEUED,
            tries=0,
            created_at=tx.now,
            next_at=tx.now,
            error=refused,
        )
    )
    return key


def claim(
    tx: Transaction, *, by: str, lease_s: float, limit: int, least: Priority = Priority.P3
) -> list[Notification]:
    """Lease what is due and held by nobody, the most urgent alarms first; counts a try each.

    Of alarms of the priority `least` and above only.

    What is not settled within `lease_s` seconds, because its program died, is claimed again.
    """
    free = (
        select(notification.c.seq)
        .join(alarm, alarm.c.id == notification.c.alarm)
        .where(notification.c.state == Delivery.QUEUED, notification.c.next_at <= tx.now)
        .where(alarm.c.priority <= int(least))
        .where(or_(notification.c.lease_until.is_(None), notification.c.lease_until <= tx.now))
        .order_by(alarm.c.priority, notification.c.next_at, notification.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True, of=notification)
    )
    rows = tx.connection.execute(
        update(notification)
        .where(notification.c.seq.in_(free.scalar_subquery()))
        .values(
            lease_by=by,
            lease_until=tx.now + int(lease_s * 1e6),
            tries=notification.c.tries + 1,
        )
        .returning(notification)
    )
    return [_notification(row) for row in rows]


def sent(tx: Transaction, entry: Notification, *, by: str) -> bool:
    """A channel took it. Kept as sent also when it was cancelled meanwhile: it did go out.

    False when another program holds it now.
    """
    return _settle(tx, entry, by, state=Delivery.SENT, sent_at=tx.now, error=None)


def retry(tx: Transaction, entry: Notification, *, by: str, at: datetime, error: str) -> bool:
    """Try again at `at`. False when it was cancelled, or another program holds it now."""
    return _settle(tx, entry, by, queued=True, next_at=to_micros(at), error=error)


def failed(tx: Transaction, entry: Notification, *, by: str, error: str) -> bool:
    """Give it up. False when it was cancelled, or another program holds it now."""
    return _settle(tx, entry, by, queued=True, state=Delivery.FAILED, error=error)


def cancel(tx: Transaction, of: AlarmId) -> int:
    """Take back what is queued for an alarm; how many."""
    mine = and_(notification.c.alarm == of.bytes, notification.c.state == Delivery.QUEUED)
    done = tx.connection.execute(update(notification).where(mine).values(state=Delivery.CANCELLED))
    return done.rowcount


def supersede(tx: Transaction, of: AlarmId, *, channel: str, address: str) -> None:
    """Take back what is still queued for one address of an alarm, because a new one follows."""
    tx.connection.execute(
        update(notification)
        .where(notification.c.alarm == of.bytes, notification.c.state == Delivery.QUEUED)
        .where(notification.c.channel == channel, notification.c.address == address)
        .values(state=Delivery.CANCELLED, error="superseded")
    )


def release(tx: Transaction, *, by: str) -> None:
    """Give back what a program holds, before it ends."""
    tx.connection.execute(
        update(notification)
        .where(notification.c.lease_by == by)
        .values(lease_by=None, lease_until=None)
    )


def listed(connection: Connection, of: AlarmId) -> list[Notification]:
    """All notifications of an alarm, oldest first."""
    rows = connection.execute(
        select(notification).where(notification.c.alarm == of.bytes).order_by(notification.c.seq)
    )
    return [_notification(row) for row in rows]


def next_due(connection: Connection) -> datetime | None:
    """When the next one can be claimed, perhaps now; None when the queue is empty."""
    leased = notification.c.lease_until > notification.c.next_at
    at = case((leased, notification.c.lease_until), else_=notification.c.next_at)
    first = connection.execute(
        select(func.min(at)).where(notification.c.state == Delivery.QUEUED)
    ).scalar_one()
    return None if first is None else from_micros(first)


def _settle(
    tx: Transaction, entry: Notification, by: str, *, queued: bool = False, **values: object
) -> bool:
    mine = and_(notification.c.id == entry.id.bytes, notification.c.lease_by == by)
    if queued:
        mine = and_(mine, notification.c.state == Delivery.QUEUED)
    done = tx.connection.execute(
        update(notification).where(mine).values(lease_by=None, lease_until=None, **values)
    )
    return done.rowcount == 1


def _notification(row: Row[tuple[object, ...]]) -> Notification:
    return Notification(
        id=UUID(bytes=row.id),
        alarm=AlarmId(UUID(bytes=row.alarm)),
        step=row.step,
        round=row.round,
        channel=row.channel,
        address=row.address,
        state=Delivery(row.state),
        tries=row.tries,
        created_at=from_micros(row.created_at),
        next_at=from_micros(row.next_at),
        sent_at=None if row.sent_at is None else from_micros(row.sent_at),
        error=row.error,
    )
