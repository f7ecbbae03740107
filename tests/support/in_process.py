"""A small site's ledger and the ingest before it, in this process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest import in_process
from ingest.in_process import Sent
from ingest.judgement import Judgement
from khaen.clock import ManualClock
from khaen.uplink import Way
from tests.support.traffic import KEY, START, make_ledger

__all__ = ["InProcess", "Sent", "in_groups", "late"]


class InProcess(in_process.InProcess):
    """With a ledger of its own, to be closed, and a clock that is told."""

    clock: ManualClock

    def __init__(
        self, folder: Path, judgement: Judgement | None = None, clock: ManualClock | None = None
    ) -> None:
        clock = clock or ManualClock(START)
        super().__init__(make_ledger(folder, clock), KEY, clock, judgement=judgement)

    def close(self) -> None:
        """Close the ledger."""
        self.database.close()

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger says."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]


def late(gateway: str, payload: bytes) -> Sent:
    """A message by way of the backlog."""
    return Sent(topic=f"khaen/gateway/{gateway}/backlog", payload=payload, way=Way.BACKLOG)


def in_groups(items: Iterable[Sent], size: int) -> list[tuple[Sent, ...]]:
    """The messages in groups."""
    found = list(items)
    return [tuple(found[i : i + size]) for i in range(0, len(found), size)]
