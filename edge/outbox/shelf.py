"""One SQLite file of numbered records: what was heard, until it is known to be committed.

Every call runs inside the caller's transaction (`begin`, `commit`, `rollback`) and in one thread.
The same file in memory is the volatile epoch, for a disk that refuses. Numbers are given inside
the transaction that stores their records, so that a crash leaves neither a hole nor a number that
was used twice. The last number is read from the last record: writing it down beside each would
wear the card; it is written down (`mark`) before records are deleted.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from edge.outbox import rows, schema
from edge.outbox.schema import MEMORY
from edge.record import Arrival, Record
from khaen.clock import from_micros, to_micros
from khaen.ids import Epoch
from khaen.uplink import Number

MEMORY_POSITIONS = 1 << 40
"""Positions of the volatile epoch begin here, after all those of any file."""
_SELECT = f"SELECT {rows.COLUMNS} FROM record r {rows.JOINED} WHERE r.settled_at IS NULL"  # noqa: S608


class _Gap(NamedTuple):
    """Positions between which no record has a true time, and the times at both ends."""

    first: int
    last: float
    times: tuple[datetime | None, datetime | None]


_NO_GAP = _Gap(0, 0, (None, None))


class Shelf:
    """An open file. Every method may raise sqlite3.Error, which the caller judges.

    One that is read only is read as far as it can be, damaged or not.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path, self.log_path = path, path.with_name(path.name + "-wal")
        self.volatile = path == MEMORY
        self._boots: dict[str, int] = {}
        self.position = self.last_seq = self._epoch_id = 0
        self.epoch = Epoch("")
        self.unsettled = self.settled = 0
        """Records of either state; counting them at each look would read the whole file."""
        self._lasting = 0, 0
        self.unreadable: set[int] = set()
        """Positions of damaged rows that were met."""
        self.db = schema.connect(path, read_only=read_only)
        try:
            self._load()
            with suppress(*(sqlite3.DatabaseError,) if read_only else ()):
                self._look_at_the_end()
                self._count()
        except sqlite3.Error:
            self.db.close()
            raise

    def _load(self) -> None:
        """Take from the file what is kept in memory beside it."""
        self._gap = _NO_GAP
        row = self.db.execute("SELECT id, epoch, last_seq FROM epoch ORDER BY id DESC").fetchone()
        if row is None:
            self.begin()
            self.open_epoch()
            self.commit()
        else:
            self._epoch_id, self.epoch, self.last_seq = row[0], Epoch(row[1]), row[2]
        self._boots = dict(self.db.execute("SELECT boot_id, id FROM boot"))
        self._offsets = self.boots()

    def _look_at_the_end(self) -> None:
        try:
            self._read_the_end(int(self.fact("position") or 0))
        except (ValueError, TypeError) as error:
            raise schema.name_damage(str(error)) from error

    def _read_the_end(self, mark: int) -> None:
        newest = self.db.execute("SELECT max(id) FROM record").fetchone()[0]
        self.position = max(mark, newest or 0, MEMORY_POSITIONS if self.volatile else 0)
        last = self.db.execute(
            "SELECT seq FROM record WHERE id > ? AND epoch = ? ORDER BY id DESC LIMIT 1",
            (mark, self._epoch_id),
        ).fetchone()
        self.last_seq = max(self.last_seq, last[0] if last else 0)

    def _count(self) -> None:
        # Each over its own index: a count of all would read the frames.
        count = "SELECT count(*) FROM record WHERE settled_at IS "
        self.unsettled = self.db.execute(count + "NULL").fetchone()[0]
        self.settled = self.db.execute(count + "NOT NULL").fetchone()[0]
        self._lasting = self.unsettled, self.settled

    # -- transactions -------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction."""
        self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make all since `begin` durable."""
        self.db.execute("COMMIT")
        self._lasting = self.unsettled, self.settled

    def rollback(self) -> None:
        """Undo all since `begin`, also in memory."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self.unsettled, self.settled = self._lasting
        self._load()
        self._look_at_the_end()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def fill(self) -> int:
        """Bytes of the file that are in use; what was freed in it is not."""
        pages, free, size = (
            self.db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # -- facts and epochs ---------------------------------------------------

    def fact(self, key: str) -> str | None:
        """A kept fact, or None."""
        row = self.db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def keep(self, key: str, value: str) -> None:
        """Keep a fact."""
        self.db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            " WHERE value <> excluded.value",
            (key, value),
        )

    def drop(self, key: str) -> None:
        """Forget a fact."""
        self.db.execute("DELETE FROM fact WHERE key = ?", (key,))

    def open_epoch(self) -> None:
        """Begin a new life: numbers start at 1 under a new name."""
        if self.db.execute("SELECT 1 FROM epoch").fetchone():
            self.mark()
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
            (row, Epoch(name), self.last_seq if row == self._epoch_id else last)
            for row, name, last in self.db.execute("SELECT * FROM epoch ORDER BY id").fetchall()
        ]

    def adopt_epoch(self, name: Epoch, last_seq: int) -> int:
        """Keep another file's epoch, to account for its numbers; the present one stays present."""
        lowest = self.db.execute("SELECT min(id) FROM epoch").fetchone()[0]
        self.db.execute("INSERT INTO epoch VALUES (?, ?, ?)", (lowest - 1, name, last_seq))
        return int(lowest) - 1

    def shift(self, row: int, first: int, by: int) -> None:
        """Number an epoch's records from `first` on anew, higher, and take them as unsent."""
        found = self.db.execute(
            "SELECT id, settled_at FROM record WHERE epoch = ? AND seq >= ? ORDER BY seq DESC",
            (row, first),
        ).fetchall()
        self.db.executemany(
            "UPDATE record SET seq = seq + ?, settled_at = NULL WHERE id = ?",
            ((by, position) for position, _ in found),
        )
        settled = sum(settled_at is not None for _, settled_at in found)
        self.unsettled, self.settled = self.unsettled + settled, self.settled - settled
        self.db.execute("UPDATE epoch SET last_seq = last_seq + ? WHERE id = ?", (by, row))

    def mark(self) -> None:
        """Write down how far the present epoch has come, beside its records."""
        self.set_last_seq(self.last_seq)
        self.keep("position", str(self.position))

    def set_last_seq(self, last_seq: int) -> None:
        """Keep how far the present epoch has come."""
        self.last_seq = last_seq
        self.db.execute("UPDATE epoch SET last_seq = ? WHERE id = ?", (last_seq, self._epoch_id))

    def boots(self) -> dict[str, int]:
        """Time of day minus boot time in microseconds, of each boot that had a true time."""
        return dict(
            self.db.execute("SELECT boot_id, offset_us FROM boot WHERE offset_us IS NOT NULL")
        )

    def learn_boot(self, boot_id: str, offset_us: int) -> None:
        """Keep a boot's offset, where it is new."""
        if self._offsets.get(boot_id) != offset_us:
            self.db.execute(
                "UPDATE boot SET offset_us = ? WHERE id = ?", (offset_us, self._boot(boot_id))
            )
            self._offsets[boot_id] = offset_us

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
            self.last_seq += 1
            records.append(self._place(arrival, Number(epoch=self.epoch, seq=self.last_seq)))
        self.insert(records, self._epoch_id)
        return records

    def bring(self, records: Sequence[Record], position: int) -> None:
        """Store another file's records under new numbers, at positions that were set apart."""
        first = self.last_seq + 1
        self.insert(
            (
                replace(
                    record,
                    position=position + index,
                    number=Number(epoch=self.epoch, seq=first + index),
                )
                for index, record in enumerate(records)
            ),
            self._epoch_id,
        )
        self._gap = _NO_GAP
        self.last_seq += len(records)
        self.mark()  # the last position does not tell the last number any more

    def append_to(self, row: int, last_seq: int, arrival: Arrival) -> None:
        """Store one more number of any epoch, behind its last."""
        name = schema.read_one(self.db, "SELECT epoch FROM epoch WHERE id = ?", row)[0]
        number = Number(epoch=Epoch(name), seq=last_seq + 1)
        self.insert([self._place(arrival, number)], row)
        self.db.execute("UPDATE epoch SET last_seq = ? WHERE id = ?", (last_seq + 1, row))
        if row == self._epoch_id:
            self.last_seq = last_seq + 1

    def _place(self, arrival: Arrival, number: Number) -> Record:
        self.position += 1
        return Record(
            position=self.position,
            number=number,
            kind=arrival.kind,
            frame=arrival.frame,
            priority=arrival.priority,
            origin=arrival.origin,
            instant=arrival.instant,
            device=arrival.device,
            topic=arrival.topic,
        )

    def insert(self, records: Iterable[Record], epoch_row: int) -> None:
        """Store records as they are numbered."""
        if self._gap.last == inf:
            self._gap = _NO_GAP
        self.unsettled += self.db.executemany(
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
        ).rowcount

    def settle(self, epoch_row: int, first: int, last: int, now_us: int, limit: int) -> int:
        """Mark numbers of an epoch as settled, `limit` at most; return how many."""
        settled = self.db.execute(
            "UPDATE record SET settled_at = ? WHERE id IN (SELECT id FROM record"
            " WHERE settled_at IS NULL AND epoch = ? AND seq BETWEEN ? AND ? LIMIT ?)",
            (now_us, epoch_row, first, last, limit),
        ).rowcount
        self.unsettled -= settled
        self.settled += settled
        return settled

    def unsettle(self, limit: int) -> int:
        """Take what is held as unsent again, `limit` at most; return how many."""
        moved = self.db.execute(
            "UPDATE record SET settled_at = NULL WHERE id IN (SELECT id FROM record"
            " WHERE settled_at IS NOT NULL ORDER BY settled_at LIMIT ?)",
            (limit,),
        ).rowcount
        self.unsettled, self.settled = self.unsettled + moved, self.settled - moved
        return moved

    def forget(self, positions: Sequence[int], *, settled: bool) -> int:
        """Delete records of one state; return how many. Their numbers stay given."""
        if positions:
            self.mark()
            self.db.executemany("DELETE FROM record WHERE id = ?", ((row,) for row in positions))
            self.settled -= len(positions) if settled else 0
            self.unsettled -= 0 if settled else len(positions)
        return len(positions)

    def page(self, *, priority: bool, after: int, limit: int) -> list[Record]:
        """Unsettled records behind a position, in order; none only where no more can be read."""
        while True:
            found = self.db.execute(
                f"{_SELECT} AND r.priority = ? AND r.id > ? ORDER BY r.id LIMIT ?",
                (priority, after, limit),
            ).fetchall()
            records = list(self._read(found))
            if records or not found:
                return records
            after = found[-1][0]

    def fetch(self, numbers: Iterable[Number]) -> list[Record]:
        """Those of the records that are still unsettled."""
        found = (
            self.db.execute(
                f"{_SELECT} AND e.epoch = ? AND r.seq = ?", (number.epoch, number.seq)
            ).fetchone()
            for number in numbers
        )
        return list(self._read(row for row in found if row is not None))

    def every(self) -> Iterator[Record]:
        """All unsettled records, in order."""
        return self._read(self.db.execute(f"{_SELECT} ORDER BY r.id"))

    def _read(self, found: Iterable[Any]) -> Iterator[Record]:
        """Rows as records; those that are damaged are noted, and passed over."""
        for row in found:
            record = rows.read(row)
            if record is None:
                self.unreadable.add(row[0])
            elif record.instant.clock is None:
                after, before = self._true_times(record.position)
                yield replace(record, after=after, before=before)
            else:
                yield record

    def _true_times(self, position: int) -> tuple[datetime | None, datetime | None]:
        """The nearest true times on both sides of a position.

        A boot without a clock leaves many records without one: they are passed over once, not for
        each of them.
        """
        if not self._gap.first < position < self._gap.last:
            below = self._find_true("< ? ORDER BY id DESC", position)
            above = self._find_true("> ? ORDER BY id", position)
            self._gap = _Gap(
                below[0] if below else -1,
                above[0] if above else inf,
                (
                    from_micros(below[1]) if below else None,
                    from_micros(above[1]) if above else None,
                ),
            )
        return self._gap.times

    def _find_true(self, where: str, position: int) -> tuple[int, int] | None:
        row: tuple[int, int] | None = self.db.execute(
            "SELECT id, heard_at FROM record WHERE clock IS NOT NULL"  # noqa: S608
            f" AND heard_at BETWEEN 0 AND {rows.MAX_MICROS} AND id {where} LIMIT 1",
            (position,),
        ).fetchone()
        return row
