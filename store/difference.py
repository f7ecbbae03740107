"""A difference between site file and registry, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from store.database import Transaction

Values = Mapping[str, Any]
Write = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What applying would do to one thing: `added`, `changed`, `returned`, `retired`, `removed`.

    `fields` holds (name, before, after) of what changes; keys never appear.
    """

    kind: str
    id: str
    change: str
    fields: tuple[tuple[str, object, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A difference and what writes it, within a transaction that may hold more of them."""

    difference: Difference
    write: Write


def changed_fields(before: Values, after: Values) -> tuple[tuple[str, object, object], ...]:
    """The values of `after` that differ from those of `before`."""
    return tuple(
        (name, before[name], value) for name, value in after.items() if before[name] != value
    )
