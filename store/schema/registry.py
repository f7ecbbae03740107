"""What the site file owns, with validity; and who wears what, which the ledger owns."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from store.schema.base import metadata
from store.schema.traffic import SERIAL

organisation = Table(
    "organisation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parent", Text),
    Column("name_th", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("plan", Text),
    Column("retired_at", BigInteger),
)

place = Table(
    "place",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("name_th", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("retired_at", BigInteger),
)

gateway = Table(
    "gateway",
    metadata,
    Column("eui", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("place", Text),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("simulated", Boolean, nullable=False),
    Column("retired_at", BigInteger),
)

device = Table(
    "device",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("dev_eui", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("place", Text),
    Column("counter_restarts", Boolean, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger, comment="null while valid; a retired device keeps its row"),
    Index("ix_device_dev_eui", "dev_eui", "valid_from"),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True, comment="opaque"),
    Column("organisation", Text, nullable=False),
    Column("place", Text),
    Column("seeded", Boolean, nullable=False, comment="made once from the site file"),
    comment="Who is cared for; names stand in person_detail, which only the console reads",
)

assignment = Table(
    "assignment",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("dev_eui", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger),
    Column("seeded", Boolean, nullable=False),
    Index("ix_assignment_dev_eui", "dev_eui", "valid_from"),
    comment="Which device whom wears since when",
)

session = Table(
    "session",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("dev_eui", Text, nullable=False),
    Column("dev_addr", Text, nullable=False),
    Column("source", Text, nullable=False, comment="site, join, network_server"),
    Column("keys", LargeBinary, nullable=False, comment="NwkSKey and AppSKey, AES-256-GCM"),
    Column("keys_digest", LargeBinary(32), nullable=False, comment="HMAC, to know them again"),
    Column("valid_from", BigInteger, nullable=False),
    UniqueConstraint("dev_eui", "dev_addr", "keys_digest"),
    Index("ix_session_dev_addr", "dev_addr"),
    comment="Every session ever known",
)

counter_mark = Table(
    "counter_mark",
    metadata,
    Column("dev_eui", Text, primary_key=True),
    Column("dev_addr", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("f_cnt_max", BigInteger, nullable=False),
    Column("f_cnt_max_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="The highest counter of each generation, by either way in",
)

address_prefix = Table(
    "address_prefix",
    metadata,
    Column("prefix", Text, primary_key=True, comment="AABBCCDD/bits: ours"),
)

plan = Table(
    "plan",
    metadata,
    Column("id", Text, primary_key=True),
    Column("repeat_us", BigInteger, nullable=False),
    Column("steps", Text, nullable=False, comment="JSON [{after_us, channel, to}]"),
)

address = Table(
    "address",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("url_file", Text, nullable=False, comment="a path: the address itself is a secret"),
)

rule_parameter = Table(
    "rule_parameter",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("parameter", Text, primary_key=True),
    Column("value", Float, nullable=False),
)
