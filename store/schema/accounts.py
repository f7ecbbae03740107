"""The account of each gateway's numbers: what was heard, committed, gone, is held, is missing."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text

from store.schema.base import metadata

gateway_epoch = Table(
    "gateway_epoch",
    metadata,
    Column("gateway_eui", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("watermark", BigInteger, nullable=False, comment="all up to it is settled"),
    Column("highest", BigInteger, nullable=False, comment="highest number seen here"),
    Column("last_seq", BigInteger, nullable=False, comment="as the agent's status says"),
    Column("waiting", Text, nullable=False, comment="JSON ranges held and unsettled, by status"),
    Column("status_at", BigInteger, comment="when the status was made"),
    Column("committed", BigInteger, nullable=False),
    Column("gone", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False, comment="committed by way of the backlog"),
    Column("conflict", Boolean, nullable=False, comment="one number with two contents: a clone"),
    Column("first_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("closed_reason", Text),
    sqlite_with_rowid=False,
)

gateway_number = Table(
    "gateway_number",
    metadata,
    Column("gateway_eui", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, comment="SHA-256 of phy_payload"),
    sqlite_with_rowid=False,
    comment="One row per settled record that came; the table that the receipts speak of",
)

gateway_gone = Table(
    "gateway_gone",
    metadata,
    Column("gateway_eui", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("reason", Text, nullable=False, comment="shed, released, damaged, or closed"),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="Numbers that will never come, as the agent declared",
)

gateway_state = Table(
    "gateway_state",
    metadata,
    Column("gateway_eui", Text, primary_key=True),
    Column("heartbeat_at", BigInteger, comment="when the last heartbeat was made"),
    Column("heartbeat_seen_at", BigInteger, comment="when it was committed, if it was fresh"),
    Column("frame_at", BigInteger, comment="when a frame was last committed"),
    Column("status", Text, comment="JSON, as the agent said"),
    Column("status_at", BigInteger),
    sqlite_with_rowid=False,
)

heard_by = Table(
    "heard_by",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("gateway_eui", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("ix_heard_by_gateway_eui", "gateway_eui"),
    sqlite_with_rowid=False,
    comment="Coverage: who was last heard by which gateway",
)
