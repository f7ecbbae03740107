"""The settings files of a site's programs, written from the site file."""

from __future__ import annotations

import json
from collections.abc import Mapping

Table = Mapping[str, object]


def render_toml(document: Table) -> str:
    """A TOML text of plain values, lists of them, and tables of those, one level deep.

    JSON's texts, numbers and booleans are TOML's.
    """
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    lines = ["# Written by khaen; the next start writes it anew.", *_lines(plain)]
    for name, table in document.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]", *_lines(table)]
    return "\n".join(lines) + "\n"


def _lines(table: Table) -> list[str]:
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in table.items()
        if value is not None
    ]


def merge(document: Table, over: Table) -> dict[str, object]:
    """`document` with the values of `over` in place of its own, table by table."""
    merged = dict(document)
    for key, value in over.items():
        mine = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge(mine if isinstance(mine, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
