"""Rows as the API gave them, with when they were made and changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from khaen.clock import Clock
from simulators.network.api.refusals import internal, not_found

M = TypeVar("M")


@dataclass(slots=True, kw_only=True)
class Row(Generic[M]):
    """A message of the API, and its times."""

    message: M
    created_at: datetime
    updated_at: datetime

    def stamp(self, response: Any) -> None:
        """Write the times into a response or an item of a list."""
        response.created_at.FromDatetime(self.created_at)
        response.updated_at.FromDatetime(self.updated_at)


class Table(Generic[M]):
    """Rows by key; `name` is what ChirpStack's database calls it."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self._rows: dict[str, Row[M]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def add(self, key: str, message: M) -> None:
        """Add a row. Raises Refused when there is one of the same key."""
        if key in self._rows:
            raise internal(f"UNIQUE constraint failed: {self._name}")
        now = self._clock.now()
        self._rows[key] = Row(message=message, created_at=now, updated_at=now)

    def get(self, key: str) -> Row[M]:
        """The row. Raises Refused when there is none."""
        row = self._rows.get(key)
        if row is None:
            raise not_found(key)
        return row

    def refer(self, key: str) -> M:
        """The message that another row refers to. Raises Refused when there is none."""
        row = self._rows.get(key)
        if row is None:
            raise internal("FOREIGN KEY constraint failed")
        return row.message

    def change(self, key: str, message: M) -> None:
        """Put another message into a row. Raises Refused when there is none."""
        row = self.get(key)
        row.message, row.updated_at = message, self._clock.now()

    def remove(self, key: str) -> None:
        """Take a row out. Raises Refused when there is none."""
        self.get(key)
        del self._rows[key]

    def find(self, where: Callable[[M], bool] = lambda _message: True) -> list[str]:
        """The keys of the rows that fit."""
        return [key for key, row in self._rows.items() if where(row.message)]

    def pick(
        self, request: Any, where: Callable[[M], bool] = lambda _message: True
    ) -> tuple[int, list[Row[M]]]:
        """How many rows fit, and the page of them, by name, that the request wants.

        As in ChirpStack, a request without a limit gets the count only.
        """
        wanted = request.search.lower()
        found = [
            row
            for row in self._rows.values()
            if where(row.message) and wanted in getattr(row.message, "name", "").lower()
        ]
        found.sort(key=lambda row: getattr(row.message, "name", ""))
        return len(found), found[request.offset : request.offset + request.limit]
