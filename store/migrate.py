"""Bring a ledger to the present shape: create it, or take the steps that it lacks."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from khaen.errors import NotRunnable
from store.database import Database, new_ledger_id
from store.schema.base import fact, journal_head

_STEPS = Path(__file__).with_name("migrations")
LEDGER = "ledger"
REGISTRY = "registry"


def upgrade(database: Database) -> None:
    """Make the file (mode 0600) where there is none, take all steps, write the first facts.

    Raises NotRunnable when the folder cannot be written, StoreUnavailable like any writer.
    """
    _create(database.path)
    with database.write() as tx:
        config = Config()
        config.set_main_option("script_location", str(_STEPS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "head")
        _write_first_facts(tx.connection)


def ledger_id(connection: Connection) -> str:
    """The ledger's id, which changes with every restore."""
    return str(connection.execute(select(fact.c.value).where(fact.c.key == LEDGER)).scalar_one())


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise NotRunnable(f"ledger.url: cannot write {path}: {error.strerror}") from error


def _write_first_facts(connection: Connection) -> None:
    if connection.execute(select(journal_head.c.id)).first() is None:
        connection.execute(insert(journal_head).values(id=1, next=1))
    for key, value in ((LEDGER, new_ledger_id()), (REGISTRY, "0")):
        connection.execute(upsert(fact).values(key=key, value=value).on_conflict_do_nothing())
