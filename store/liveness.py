"""Which programs do their work now. The silence of others counts only while ingest does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text

from khaen.clock import from_micros, to_micros
from store.database import Transaction
from store.schema.base import liveness

INGEST = "ingest"
ALARMS = "alarms"
BEAT_S = 2.0
"""How often a program says that it works, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """`at` is when the program last said that it works, `since` since when without a break."""

    program: str
    at: datetime
    since: datetime


def beat(tx: Transaction, program: str, since: datetime) -> None:
    """Say that `program` does its work, and has done so without a break since `since`."""
    tx.connection.execute(_UPSERT, {"program": program, "at": tx.now, "since": to_micros(since)})


def read(connection: Connection) -> dict[str, Liveness]:
    """What every program said last, by name."""
    return {
        row.program: Liveness(
            program=row.program, at=from_micros(row.at), since=from_micros(row.since)
        )
        for row in connection.execute(select(liveness))
    }


_UPSERT = text(
    "INSERT INTO liveness (program, at, since) VALUES (:program, :at, :since)"
    " ON CONFLICT (program) DO UPDATE SET at = excluded.at, since = excluded.since"
)
