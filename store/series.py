"""The embedded series: readings over time, narrow and integer-keyed, in an SQLite file of its own.

A projection of the ledger: it can be deleted and is built again. One writer; any number of readers
in other processes. Points are idempotent by series and time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from khaen.errors import StoreUnavailable
from store.database import is_away

_SCHEMA = """
CREATE TABLE IF NOT EXISTS follows (ledger TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    quantity TEXT NOT NULL,
    dev_eui TEXT NOT NULL,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    organisation TEXT NOT NULL,
    place TEXT NOT NULL,
    family TEXT NOT NULL,
    UNIQUE (dev_eui, quantity, channel, subject, organisation, place, family)
);
CREATE INDEX IF NOT EXISTS ix_series_subject ON series (subject, quantity);
CREATE TABLE IF NOT EXISTS point (
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    value REAL NOT NULL,
    suspect INTEGER NOT NULL,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Tags:
    """What tells one series from another; `place` is empty where there is none."""

    quantity: str
    dev_eui: str
    channel: str
    subject: str
    organisation: str
    place: str
    family: str


@dataclass(frozen=True, slots=True)
class Point:
    """One value at a time in microseconds since 1970."""

    at: int
    value: float
    suspect: bool = False


class Series:
    """An embedded series, opened; for one thread. All methods raise StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        with _translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)
        self._ids: dict[Tags, int] = {}

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def position(self, ledger: str) -> int:
        """How far it has followed this ledger; 0 for another one than it was built from."""
        with _translated():
            row = self._db.execute("SELECT ledger, position FROM follows").fetchone()
        return int(row[1]) if row is not None and row[0] == ledger else 0

    def put(self, ledger: str, position: int, points: Iterable[tuple[Tags, Point]]) -> None:
        """Write points, and how far the ledger was followed with them, in one transaction."""
        with _translated(), self._transaction():
            rows = [(self._id(tags), p.at, p.value, p.suspect) for tags, p in points]
            self._db.executemany("INSERT OR REPLACE INTO point VALUES (?, ?, ?, ?)", rows)
            self._db.execute("DELETE FROM follows")
            self._db.execute("INSERT INTO follows VALUES (?, ?)", (ledger, position))

    def clear(self) -> None:
        """Forget everything, to be built again."""
        with _translated(), self._transaction():
            for table in ("point", "series", "follows"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 (our own names)
            self._ids.clear()

    def read(
        self, *, dev_eui: str, quantity: str, channel: str = "", since: int, until: int
    ) -> Sequence[Point]:
        """The points of a device's quantity from `since` until before `until`, in order."""
        with _translated():
            rows = self._db.execute(
                "SELECT p.at, p.value, p.suspect FROM series s JOIN point p ON p.series = s.id"
                " WHERE s.dev_eui = ? AND s.quantity = ? AND s.channel = ?"
                " AND p.at >= ? AND p.at < ? ORDER BY p.at",
                (dev_eui, quantity, channel, since, until),
            ).fetchall()
        return [Point(at, value, bool(suspect)) for at, value, suspect in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            self._ids.clear()
            raise
        self._db.execute("COMMIT")

    def _id(self, tags: Tags) -> int:
        found = self._ids.get(tags)
        if found is None:
            values = (
                tags.quantity,
                tags.dev_eui,
                tags.channel,
                tags.subject,
                tags.organisation,
                tags.place,
                tags.family,
            )
            self._db.execute(
                "INSERT OR IGNORE INTO series (quantity, dev_eui, channel, subject, organisation,"
                " place, family) VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            (found,) = self._db.execute(
                "SELECT id FROM series WHERE quantity = ? AND dev_eui = ? AND channel = ?"
                " AND subject = ? AND organisation = ? AND place = ? AND family = ?",
                values,
            ).fetchone()
            self._ids[tags] = found
        return int(found)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if is_away(error):
            raise StoreUnavailable(str(error)) from error
        raise
    except OSError as error:
        raise StoreUnavailable(f"{error.strerror}: {error.filename}") from error
