"""The console's own: who may sign in, and the names that stand nowhere else."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from store.schema.base import metadata
from store.schema.traffic import SERIAL

person_detail = Table(
    "person_detail",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("nickname", Text, nullable=False),
    Column("born", Text, comment="YYYY-MM-DD or YYYY, Common Era"),
    Column("address", Text, nullable=False),
    Column("landmark", Text, nullable=False),
    Column("telephone", Text, nullable=False),
    Column("note", Text, nullable=False),
)

user = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("organisation", Text, nullable=False, comment="sees it and what is below it"),
    Column("role", Text, nullable=False, comment="operator, administrator"),
    Column("language", Text, nullable=False, comment="th or en"),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 of the token"),
    Column("user", Text, ForeignKey("user_account.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    comment="Works once, for 15 minutes",
)

web_session = Table(
    "web_session",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 of the cookie"),
    Column("user", Text, ForeignKey("user_account.id"), nullable=False),
    Column("csrf", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False, comment="signed_in, viewed, accepted, closed, …"),
    Column("ref", Text, nullable=False),
    Index("ix_audit_entry_at", "at"),
    comment="Who did and saw what; append only",
)
