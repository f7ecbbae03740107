"""What all tables share: metadata with names for every constraint, the journal, facts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

fact = Table(
    "fact",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="`ledger`: this database's uuid, new after every restore; `site`; `registry`: counter",
)

journal = Table(
    "journal",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False, comment="admitted, merged, decoded, alarm, erased, …"),
    Column("ref", Text, nullable=False, comment="the id of what changed"),
    Column("at", BigInteger, nullable=False),
    comment="Every change that a follower must see; positions have no holes and follow commits",
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
    comment="One row (id 1): the next position, taken in each transaction's last statement",
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    comment="How far each projection of the journal has come",
)

liveness = Table(
    "liveness",
    metadata,
    Column("program", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, comment="when it last said that it works"),
    Column("since", BigInteger, nullable=False, comment="working without a break since"),
    comment="Which programs do their work now; silence of others counts only while they do",
)
