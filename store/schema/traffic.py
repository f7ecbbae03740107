"""What was heard: uplinks, receptions, the latest values, and what could not be attributed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from store.schema.base import metadata

SERIAL = BigInteger().with_variant(Integer, "sqlite")

uplink = Table(
    "uplink",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("id", LargeBinary(16), nullable=False, unique=True, comment="UUIDv5 of the identity"),
    Column("dev_eui", Text, nullable=False),
    Column("dev_addr", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("f_cnt", BigInteger, nullable=False),
    Column("f_port", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False, comment="decrypted FRMPayload"),
    Column("phy_payload", LargeBinary, comment="as it was heard; null from a network server"),
    Column("confirmed", Boolean, nullable=False),
    Column("origin", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("place", Text),
    Column("subject", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False, comment="fixed at admission"),
    Column("clock", Text, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("family", Text, nullable=False),
    Column("decoder_version", Integer),
    Column("decoded", Text, comment="JSON: readings, events, warnings"),
    Column("decode_error", Text, comment="why the decoder failed; the bytes are kept"),
    Column("rule_error", Text, comment="rules that failed on it, comma separated"),
    Column("receptions", Integer, nullable=False, comment="how often it was heard"),
    Index("ix_uplink_dev_eui_received_at", "dev_eui", "received_at"),
    Index("ix_uplink_subject_received_at", "subject", "received_at"),
)

decode_pending = Table(
    "decode_pending",
    metadata,
    Column("uplink", SERIAL, ForeignKey("uplink.seq"), primary_key=True),
    Column("dev_eui", Text, nullable=False),
    Column("admitted_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, comment="a lease's end, while somebody decodes"),
    Column("attempt", Integer, nullable=False, comment="whose attempt it was may close it"),
    Column("told", Boolean, nullable=False, comment="an alarm says that a call may be in it"),
    Index("ix_decode_pending_dev_eui", "dev_eui", "uplink"),
    Index("ix_decode_pending_due_at", "due_at"),
    comment="Uplinks that were admitted and wait for their family's codec",
)

reception = Table(
    "reception",
    metadata,
    Column("uplink", SERIAL, ForeignKey("uplink.seq"), primary_key=True),
    Column("gateway_eui", Text, primary_key=True),
    Column("context", LargeBinary, primary_key=True, comment="or epoch and seq where it is empty"),
    Column("epoch", Text),
    Column("seq", BigInteger),
    Column("way", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("received_until", BigInteger),
    Column("clock", Text, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
    Column("rssi", Integer),
    Column("snr", Float),
    Column("frequency", BigInteger),
    Column("dr", Text),
    sqlite_with_rowid=False,
    comment="32 kept per uplink, then counted",
)

latest = Table(
    "latest",
    metadata,
    Column("dev_eui", Text, primary_key=True),
    Column("quantity", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("value", Float, nullable=False),
    Column("quality", Text, nullable=False),
    Column("at", BigInteger, nullable=False, comment="measured_at, else received_at"),
    Column("uplink", LargeBinary(16), nullable=False, comment="ties at one time go to the greater"),
    sqlite_with_rowid=False,
)

device_event = Table(
    "device_event",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("gateway_eui", Text, nullable=False),
    Column("dev_eui", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="join, status, ack, txack, log, location"),
    Column("content", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
    UniqueConstraint("digest", "gateway_eui"),
    Index("ix_device_event_dev_eui", "dev_eui", "received_at"),
    comment="What a device or its network server said beside uplinks",
)

foreign_frame = Table(
    "foreign_frame",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("gateway_eui", Text, nullable=False),
    Column("dev_addr", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="the envelope, to be opened again"),
    Column("received_at", BigInteger, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
    Index("ix_foreign_frame_dev_addr", "dev_addr"),
    Index("ix_foreign_frame_gateway_eui", "gateway_eui", "seq"),
    comment="Frames of other people's networks: a ring of 7 days or 100 MB per gateway",
)

foreign_count = Table(
    "foreign_count",
    metadata,
    Column("gateway_eui", Text, primary_key=True),
    Column("frames", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False, comment="in the ring now"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="never payload or people's data"),
    Column("topic", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="the message, to be opened again"),
    Column("gateway_eui", Text),
    Column("dev_addr", Text),
    Column("digest", LargeBinary(32), nullable=False),
    Column("copies", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    UniqueConstraint("digest", "reason"),
    Index("ix_quarantine_dev_addr", "dev_addr"),
    comment="What cannot be attributed, with the reason; 90 days, 1 GB",
)
