"""Render docs/ledger-tables.md from the tables themselves: `python -m store.schema.page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, Table

from store.schema import metadata

_HEAD = """# The ledger's tables

Generated from `store/schema` by `make generated`; how they work together: [ledger](ledger.md).
Times are whole microseconds since 1970 UTC, EUIs 16 lower-case hexadecimal digits.
"""


def render() -> str:
    """All tables by name, each with its columns, in Markdown."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return "\n".join([_HEAD, *(line for table in tables for line in _table(table))])


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n"
    if table.comment:
        yield f"{table.comment}.\n"
    yield "| column | type | |\n|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {_type(column)} | {_escaped(column.comment or '')} |"
    yield ""


def _type(column: Column[object]) -> str:
    words = [column.type.compile().lower()]
    words += ["key"] if column.primary_key else []
    words += ["unique"] if column.unique else []
    words += ["or null"] if column.nullable else []
    return " ".join(words)


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
