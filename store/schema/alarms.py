"""Alarms, what happened to them, and what must still be done: timers and notifications."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from store.schema.base import metadata
from store.schema.traffic import SERIAL

subject_state = Table(
    "subject_state",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("event_at", BigInteger, comment="the newest live event"),
    Column("rules", Text, nullable=False, comment="JSON: one document per rule"),
    comment="Locked first by whoever moves a subject's state",
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("alarm_class", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("event_at", BigInteger, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("presses", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("accepted_by", Text),
    Column("accepted_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("outcome", Text),
    Column(
        "open_key", Text, unique=True, comment="subject|rule while open, null once closed: one only"
    ),
    Index("ix_alarm_organisation_raised_at", "organisation", "raised_at"),
)
OPEN = alarm.c.open_key.is_not(None)
Index("ix_alarm_open", alarm.c.subject, sqlite_where=OPEN, postgresql_where=OPEN)

alarm_event = Table(
    "alarm_event",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("alarm", LargeBinary(16), ForeignKey("alarm.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("state", Text, nullable=False, comment="afterwards"),
    Column("actor", Text, nullable=False, comment="a user's id, or `system`"),
    Column("detail", Text, nullable=False, comment="JSON"),
    Column("uplink", LargeBinary(16)),
    Index("ix_alarm_event_alarm", "alarm", "seq"),
    comment="Append only",
)

timer = Table(
    "timer",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column(
        "key", Text, nullable=False, unique=True, comment="rule|subject, plan|alarm, again|alarm"
    ),
    Column("kind", Text, nullable=False, comment="rule, escalation, again"),
    Column("subject", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("alarm", LargeBinary(16)),
    Column("step", Integer, comment="of the plan; null before its first"),
    Column("round", Integer, comment="which time round the plan"),
    Column("due_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, comment="claimed by a program until then"),
    Column("lease_by", Text),
    Index("ix_timer_due_at", "due_at"),
    comment="Durable: a row, not a task; deleted when done or cancelled",
)

notification = Table(
    "notification",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("id", LargeBinary(16), nullable=False, unique=True, comment="the retry key"),
    Column("alarm", LargeBinary(16), ForeignKey("alarm.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("round", Integer, nullable=False, comment="which time round the plan"),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False, comment="id of an address, never the address"),
    Column("state", Text, nullable=False, comment="queued, sent, failed, cancelled"),
    Column("tries", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text),
    Column("lease_until", BigInteger),
    Column("lease_by", Text),
    Index("ix_notification_state_next_at", "state", "next_at"),
    Index("ix_notification_alarm", "alarm"),
)
