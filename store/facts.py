"""Single facts about this ledger, by name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from store.database import Transaction
from store.schema.base import fact


def read(connection: Connection, key: str) -> str | None:
    """A fact's value; None where it was never written."""
    return connection.execute(select(fact.c.value).where(fact.c.key == key)).scalar_one_or_none()


def write(tx: Transaction, key: str, value: str) -> None:
    """Write a fact, over its earlier value."""
    done = tx.connection.execute(update(fact).where(fact.c.key == key).values(value=value))
    if done.rowcount == 0:
        tx.connection.execute(insert(fact).values(key=key, value=value))


def forget(tx: Transaction, key: str) -> None:
    """Take a fact out, where it is."""
    tx.connection.execute(delete(fact).where(fact.c.key == key))
