"""Statements that run for every frame: Core expressions, compiled once to the driver's own SQL."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Engine, Table, insert
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql import ClauseElement

from store.database import compiled


def replacing(table: Table, *, keep: frozenset[str] = frozenset()) -> ClauseElement:
    """Insert a whole row, or take over all its columns but the key and `keep`."""
    statement = upsert(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in keep
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def ignoring(table: Table) -> ClauseElement:
    """Insert a whole row where its keys are new."""
    return upsert(table).on_conflict_do_nothing()


def inserting(table: Table) -> ClauseElement:
    """Insert a whole row."""
    return insert(table)


def placeholders(count: int) -> str:
    """`(?, ?, …)`, for the values of an IN."""
    return f"({', '.join('?' * count)})"


class Statements:
    """Named statements, each compiled at its first use."""

    def __init__(self, **statements: ClauseElement) -> None:
        self._statements = statements
        self._compile = cache(self._text)

    def sql(self, engine: Engine, name: str) -> str:
        """The text; parameters are positional, in the order of the table's columns."""
        return self._compile(engine, name)

    def _text(self, engine: Engine, name: str) -> str:
        return compiled(engine, self._statements[name])
