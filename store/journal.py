"""The journal: what changed, in commit order and without holes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store.schema.base import cursor, journal, journal_head


class Kind(enum.StrEnum):
    """What a follower may see."""

    ADMITTED = "admitted"
    MERGED = "merged"
    DECODED = "decoded"
    REDECODED = "redecoded"
    ALARM = "alarm"
    HEARTBEAT = "heartbeat"
    REGISTRY = "registry"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`ref` is the id of what changed: an uplink's or alarm's UUID, a gateway's EUI, …"""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An entry at its place, with the time of its transaction in microseconds."""

    position: int
    kind: str
    ref: str
    at: int


def append(connection: Connection, entries: Sequence[Entry], at: int) -> None:
    """Give positions to `entries` as the transaction's last act, so that order is commit order."""
    if not entries:
        return
    driver: Any = connection.connection.driver_connection
    ((head,),) = driver.execute(_TAKE, (len(entries),)).fetchall()
    first = head - len(entries)
    driver.executemany(
        "INSERT INTO journal (position, kind, ref, at) VALUES (?, ?, ?, ?)",
        [(first + i, str(entry.kind), entry.ref, at) for i, entry in enumerate(entries)],
    )


_TAKE = "UPDATE journal_head SET next = next + ? RETURNING next"


def read(connection: Connection, after: int, limit: int = 1000) -> list[Position]:
    """Up to `limit` entries after the position `after`, in order."""
    rows = connection.execute(
        select(journal).where(journal.c.position > after).order_by(journal.c.position).limit(limit)
    )
    return [Position(position=r.position, kind=r.kind, ref=r.ref, at=r.at) for r in rows]


def head(connection: Connection) -> int:
    """The position of the newest entry; 0 when there is none."""
    return int(connection.execute(select(journal_head.c.next)).scalar_one()) - 1


def follow(connection: Connection, name: str) -> int:
    """How far the projection `name` has come; 0 when it never began."""
    return (
        connection.execute(
            select(cursor.c.position).where(cursor.c.name == name)
        ).scalar_one_or_none()
        or 0
    )


def advance(connection: Connection, name: str, position: int) -> None:
    """Remember how far the projection `name` has come."""
    done = connection.execute(update(cursor).where(cursor.c.name == name).values(position=position))
    if done.rowcount == 0:
        connection.execute(insert(cursor).values(name=name, position=position))
