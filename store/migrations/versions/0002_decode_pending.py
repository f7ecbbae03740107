"""Uplinks that wait for their family's codec."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Text

revision = "0002"
down_revision = "0001"

_SERIAL = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "decode_pending",
        Column("uplink", _SERIAL, ForeignKey("uplink.seq"), primary_key=True),
        Column("dev_eui", Text, nullable=False),
        Column("admitted_at", BigInteger, nullable=False),
        Column("due_at", BigInteger, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("told", Boolean, nullable=False),
    )
    op.create_index("ix_decode_pending_dev_eui", "decode_pending", ["dev_eui", "uplink"])
    op.create_index("ix_decode_pending_due_at", "decode_pending", ["due_at"])
