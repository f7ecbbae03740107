"""One SQLite file of numbered records: what was heard, until it is known to be committed.

Every call runs inside the caller's transaction (`begin`, `commit`, `rollback`) and in one thread.
The same file in memory is the volatile epoch, for a disk that refuses. Numbers are given inside
the transaction that stores their records, so that a crash leaves neither a hole nor a number that
was used twice.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.record import Arrival, Instant, Record
from khaen.clock import Rung, from_micros, to_micros
from khaen.ids import Epoch
from khaen.uplink import Kind, Number, Origin

MEMORY = Path(":memory:")
MEMORY_POSITIONS = 1 << 40
"""Positions of the volatile epoch begin here, after all those of any file."""
_CHECK_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS boot (
    id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, offset_us INTEGER);
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    origin TEXT NOT NULL,
    device TEXT,
    topic TEXT,
    clock TEXT,
    heard_at INTEGER,
    boot INTEGER NOT NULL,
    boot_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    frame BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS record_open
    ON record (epoch, seq) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS record_next
    ON record (priority, id) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS record_settled
    ON record (settled_at) WHERE settled_at IS NOT NULL;
"""
_COLUMNS = (
    "r.id, e.epoch, r.seq, r.kind, r.priority, r.origin, r.device, r.topic, r.clock, r.heard_at,"
    " b.boot_id, r.boot_us, r.attempts, r.frame"
)
_FROM = " FROM record r JOIN epoch e ON e.id = r.epoch JOIN boot b ON b.id = r.boot "


class Shelf:
    """An open file. Every method may raise sqlite3.Error, which the caller judges."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.volatile = path == MEMORY
        name = f"{path.absolute().as_uri()}?mode=ro" if read_only else str(path)
        self.db = sqlite3.connect(
            name, uri=read_only, isolation_level=None, timeout=5, check_same_thread=False
        )
        self._boots: dict[str, int] = {}
        try:
            if read_only:
                self._load()
            else:
                self._prepare()
        except sqlite3.Error:
            self.db.close()
            raise

    def _prepare(self) -> None:
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.begin()
        for statement in _SCHEMA.split(";"):
            self.db.execute(statement)
        self._load()
        self.commit()

    def _load(self) -> None:
        """Take from the file what is kept in memory beside it."""
        first = MEMORY_POSITIONS if self.volatile else 0
        newest = self.db.execute("SELECT max(id) FROM record").fetchone()[0]
        self.position = max(int(self.fact("position") or 0), newest or first)
        row = self.db.execute("SELECT id, epoch, last_seq FROM epoch ORDER BY id DESC").fetchone()
        if row is None:
            self.open_epoch()
        else:
            self._epoch_id, self.epoch, self.last_seq = row[0], Epoch(row[1]), row[2]
        self._boots = dict(self.db.execute("SELECT boot_id, id FROM boot"))

    # -- transactions -------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction."""
        self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make all since `begin` durable."""
        self.db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo all since `begin`, also in memory."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self._load()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def check(self) -> None:
        """Look for damage, for a while at most. Raises sqlite3.DatabaseError with its code."""
        give_up = time.monotonic() + _CHECK_S
        self.db.set_progress_handler(lambda: time.monotonic() > give_up, 10_000)
        try:
            verdict = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            verdict = "ok"
        finally:
            self.db.set_progress_handler(None, 0)
        if verdict != "ok":
            damage = sqlite3.DatabaseError(verdict)
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage

    # -- facts and epochs ---------------------------------------------------

    def fact(self, key: str) -> str | None:
        """A kept fact, or None."""
        row = self.db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def keep(self, key: str, value: str) -> None:
        """Keep a fact."""
        self.db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def open_epoch(self) -> None:
        """Begin a new life: numbers start at 1 under a new name."""
        self.epoch, self.last_seq = Epoch(secrets.token_hex(8)), 0
        self._epoch_id = int(
            self.db.execute(
                "INSERT INTO epoch (epoch, last_seq) VALUES (?, 0)", (self.epoch,)
            ).lastrowid
            or 0
        )

    def epochs(self) -> list[tuple[int, Epoch, int]]:
        """Every epoch of this file: (row, name, last number), oldest first."""
        return [
            (row, Epoch(name), last)
            for row, name, last in self.db.execute("SELECT * FROM epoch ORDER BY id").fetchall()
        ]

    def adopt_epoch(self, name: Epoch, last_seq: int) -> int:
        """Keep another file's epoch, to account for its numbers; the present one stays present."""
        lowest = self.db.execute("SELECT min(id) FROM epoch").fetchone()[0]
        self.db.execute("INSERT INTO epoch VALUES (?, ?, ?)", (lowest - 1, name, last_seq))
        return int(lowest) - 1

    def boots(self) -> dict[str, int]:
        """Time of day minus boot time in microseconds, of each boot that had a true time."""
        return dict(
            self.db.execute("SELECT boot_id, offset_us FROM boot WHERE offset_us IS NOT NULL")
        )

    def learn_boot(self, boot_id: str, offset_us: int) -> None:
        """Keep a boot's offset."""
        self.db.execute(
            "UPDATE boot SET offset_us = ? WHERE id = ?", (offset_us, self._boot(boot_id))
        )

    def _boot(self, boot_id: str) -> int:
        row = self._boots.get(boot_id)
        if row is None:
            self.db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (boot_id,))
            found = self.db.execute("SELECT id FROM boot WHERE boot_id = ?", (boot_id,)).fetchone()
            row = self._boots[boot_id] = int(found[0])
        return row

    # -- records ------------------------------------------------------------

    def append(self, arrivals: Sequence[Arrival]) -> list[Record]:
        """Number and store."""
        records = []
        for arrival in arrivals:
            self.position += 1
            self.last_seq += 1
            records.append(
                Record(
                    position=self.position,
                    number=Number(epoch=self.epoch, seq=self.last_seq),
                    kind=arrival.kind,
                    frame=arrival.frame,
                    priority=arrival.priority,
                    origin=arrival.origin,
                    instant=arrival.instant,
                    device=arrival.device,
                    topic=arrival.topic,
                )
            )
        self.insert(records, self._epoch_id)
        self.set_last_seq(self.last_seq)
        return records

    def set_last_seq(self, last_seq: int) -> None:
        """Keep how far the present epoch has come."""
        self.last_seq = last_seq
        self.db.execute("UPDATE epoch SET last_seq = ? WHERE id = ?", (last_seq, self._epoch_id))

    def append_to(self, row: int, last_seq: int, arrival: Arrival) -> None:
        """Store one more number of an epoch that is over."""
        self.position += 1
        name = self.db.execute("SELECT epoch FROM epoch WHERE id = ?", (row,)).fetchone()[0]
        record = Record(
            position=self.position,
            number=Number(epoch=Epoch(name), seq=last_seq + 1),
            kind=arrival.kind,
            frame=arrival.frame,
            priority=arrival.priority,
            origin=arrival.origin,
            instant=arrival.instant,
        )
        self.insert([record], row)
        self.db.execute("UPDATE epoch SET last_seq = ? WHERE id = ?", (last_seq + 1, row))
        if row == self._epoch_id:
            self.last_seq = last_seq + 1

    def insert(self, records: Iterable[Record], epoch_row: int) -> None:
        """Store records as they are numbered."""
        self.db.executemany(
            "INSERT INTO record (id, epoch, seq, kind, priority, origin, device, topic, clock,"
            " heard_at, boot, boot_us, frame) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    record.position,
                    epoch_row,
                    record.number.seq,
                    record.kind.value,
                    record.priority,
                    record.origin.value,
                    record.device,
                    record.topic,
                    record.instant.clock.value if record.instant.clock else None,
                    to_micros(record.instant.at) if record.instant.at else None,
                    self._boot(record.instant.boot_id),
                    record.instant.boot_us,
                    record.frame,
                )
                for record in records
            ),
        )

    def page(self, *, priority: bool, after: int, limit: int) -> list[Record]:
        """Unsettled records behind a position, in order."""
        rows = self.db.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE r.settled_at IS NULL AND r.priority = ? AND r.id > ?"
            " ORDER BY r.id LIMIT ?",
            (priority, after, limit),
        )
        return [self._record(row) for row in rows.fetchall()]

    def fetch(self, numbers: Iterable[Number]) -> list[Record]:
        """Those of the records that are still unsettled."""
        records = []
        for number in numbers:
            row = self.db.execute(
                f"SELECT {_COLUMNS}{_FROM} WHERE r.settled_at IS NULL"
                " AND e.epoch = ? AND r.seq = ?",
                (number.epoch, number.seq),
            ).fetchone()
            if row is not None:
                records.append(self._record(row))
        return records

    def every(self, *, backwards: bool = False) -> Iterator[Record]:
        """All unsettled records, in order."""
        order = "DESC" if backwards else "ASC"
        rows = self.db.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE r.settled_at IS NULL ORDER BY r.id {order}"
        )
        for row in rows:
            yield self._record(row)

    def _record(self, row: Any) -> Record:
        (
            position, epoch, seq, kind, priority, origin, device, topic, clock, heard_at,
            boot_id, boot_us, attempts, frame,
        ) = row  # fmt: skip
        dated = clock is not None
        return Record(
            position=position,
            number=Number(epoch=epoch, seq=seq),
            kind=Kind(kind),
            frame=frame,
            priority=bool(priority),
            origin=Origin(origin),
            instant=Instant(
                boot_id=boot_id,
                boot_us=boot_us,
                at=from_micros(heard_at) if dated else None,
                clock=Rung(clock) if dated else None,
            ),
            attempts=attempts,
            device=device,
            topic=topic,
            after=None if dated else self._true_time("< ? ORDER BY id DESC", position),
            before=None if dated else self._true_time("> ? ORDER BY id", position),
        )

    def _true_time(self, where: str, position: int) -> datetime | None:
        """The nearest true time on one side of a position."""
        row = self.db.execute(
            f"SELECT heard_at FROM record WHERE clock IS NOT NULL AND id {where} LIMIT 1",  # noqa: S608
            (position,),
        ).fetchone()
        return from_micros(row[0]) if row else None

    def count_attempts(self, numbers: Iterable[Number]) -> None:
        """Note that these were sent once more."""
        self.db.executemany(
            "UPDATE record SET attempts = attempts + 1 WHERE settled_at IS NULL"
            " AND seq = ? AND epoch = (SELECT id FROM epoch WHERE epoch = ?)",
            ((number.seq, number.epoch) for number in numbers),
        )
