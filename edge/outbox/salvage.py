"""What can still be read of damaged files, brought into the new one step by step.

How far it came is kept in the new file, by the transaction that brings the records: whenever the
process ends, the next one goes on from there. Every file beside the outbox that this does not call
done is read.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from edge.outbox import aside, rows, schema
from edge.outbox.account import Range, Voice, complement, declare_gone
from edge.outbox.bounds import Bounds
from edge.outbox.room import HELD_SHARE, measure
from edge.outbox.shelf import Shelf
from edge.outbox.upheaval import RESENDING
from edge.record import Record
from khaen import log
from khaen.ids import Epoch
from khaen.receipt import EpochReceipt
from khaen.uplink import Kind

STEP: Final = 1024
"""Rows that are read in one transaction."""
_MOMENT_S: Final = 1.0
"""The radio waits for so long; then what is heard comes first."""
_LEAST_ROW: Final = 16
"""A row takes more bytes than this: its texts alone do."""
_END: Final = 1 << 42
"""No position is as high."""
_COURSE: Final = "salvage "
_MADE: Final = "gone from "
_ROWS: Final = (
    f"SELECT {rows.COLUMNS} FROM record r NOT INDEXED {rows.JOINED}"  # noqa: S608
    " WHERE (r.settled_at IS NULL OR ?) AND r.id >= ? ORDER BY r.id LIMIT ?"
)
_FOR_NOW: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN}
)
"""Errors that say nothing of the file."""
_log = log.logger()
Handed = Mapping[Epoch, int]
"""Of each epoch, the highest number that anybody can know of."""


@dataclass(slots=True, kw_only=True)
class _Course:
    """How far the reading of one damaged file came.

    `after` is the position in it up to which it is read, `place` the one that the next record gets;
    `moved` and `kept` are numbers of each epoch that got others, and those that did not. Where a
    new ledger may still have to be told of `everything`, receipted records are brought, too.
    """

    place: int = 0
    after: int = 0
    records: int = 0
    done: bool = False
    everything: bool = False
    moved: dict[str, list[Range]] = field(default_factory=dict)
    kept: dict[str, list[Range]] = field(default_factory=dict)


def plan(path: Path, into: Shelf) -> list[Path]:
    """Take note of damaged files that are new, and set positions apart for what they hold, so that
    what is heard from now on comes behind. What a damaged file says of older ones goes on to count.
    One whose course cannot be read is as a new one.

    Return all of them, oldest first. Raises sqlite3.OperationalError where the disk refuses.
    """
    try:
        sizes = {file: aside.measure(file) for file in aside.find(path)}
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
    new = [file for file in sizes if _parse(into.fact(_COURSE + file.name)) is None]
    facts = {file: _read_facts(file) for file in new}
    said = {key: value for each in facts.values() for key, value in (each or {}).items()}
    if "ledger" in said and into.fact("ledger") is None:
        into.keep("ledger", said["ledger"])
    for file in new:
        course = _parse(said.get(_COURSE + file.name)) or _begin(facts[file])
        course.place = into.position + 1
        into.position += sizes[file] // _LEAST_ROW + 1
        _keep(into, file, course)
        into.mark()
    return list(sizes)


def _read_facts(file: Path) -> dict[str, str] | None:
    """What is kept beside the records; None where that cannot be read."""
    try:
        with closing(schema.connect(file, read_only=True)) as db:
            return dict(db.execute("SELECT key, value FROM fact").fetchall())
    except sqlite3.DatabaseError:
        return None


def _begin(facts: dict[str, str] | None) -> _Course:
    return _Course(everything=facts is None or RESENDING in facts)


def _parse(value: str | None) -> _Course | None:
    """A course that was kept; None where there is none, or a card has changed it."""
    try:
        course = _Course(**json.loads(value or "null"))
        for numbers in (course.moved, course.kept):
            for name, ranges in numbers.items():
                numbers[name] = [(int(first), int(last)) for first, last in ranges]
        if not all(0 <= each < _END for each in (course.place, course.after, course.records)):
            return None
    except (ValueError, TypeError, AttributeError):
        return None
    return course


def is_done(db: sqlite3.Connection, file: Path) -> bool:
    """Whether the outbox that is open has read a damaged file to its end. Raises sqlite3.Error."""
    row = db.execute("SELECT value FROM fact WHERE key = ?", (_COURSE + file.name,)).fetchone()
    course = _parse(row[0]) if row else None
    return course is not None and course.done


def _keep(into: Shelf, file: Path, course: _Course) -> None:
    into.keep(_COURSE + file.name, json.dumps(asdict(course), separators=(",", ":")))


def salvage(path: Path, into: Shelf, bounds: Bounds, voice: Voice, handed: Handed) -> int:
    """Bring some records of the oldest damaged file that is not done; 0 where there is none, or no
    room yet. No number that was `handed` to a broker is given again.
    """
    files = plan(path, into)
    for file in files:
        course = _parse(into.fact(_COURSE + file.name))
        if course is not None and not course.done:
            used, limit = measure(into, bounds)
            if used > limit * HELD_SHARE:
                return 0
            return _advance(file, course, into, voice, handed)
    with suppress(OSError):
        for old in aside.clear(files):
            _log.warning("damaged_file_deleted", path=str(old))
    return 0


def salvage_at_once(path: Path, into: Shelf, bounds: Bounds, voice: Voice, handed: Handed) -> None:
    """Bring what can be brought in a moment, each step by a transaction; the rest comes later."""
    give_up = time.monotonic() + _MOMENT_S
    more = 1
    while more and time.monotonic() < give_up:
        into.begin()
        try:
            more = salvage(path, into, bounds, voice, handed)
            into.commit()
        except sqlite3.DatabaseError as error:
            into.rollback()
            _log.warning("salvage_postponed", path=str(path), error=str(error))
            return


def _advance(file: Path, course: _Course, into: Shelf, voice: Voice, handed: Handed) -> int:
    try:
        with closing(schema.connect(file, read_only=True)) as db:
            records = _read_on(db, course)
            ends = _read_ends(db, handed) if course.done else []
    except sqlite3.DatabaseError as error:
        _log.warning("salvage_postponed", path=str(file), error=str(error))
        return 0
    _bring(records, course, into)
    if course.done:
        _account(ends, course, into, voice)
        course.moved, course.kept = {}, {}
        _log.error("outbox_salvaged", path=str(file), saved=course.records)
    _keep(into, file, course)
    return STEP


# -- reading what is damaged ------------------------------------------------


def _read_on(db: sqlite3.Connection, course: _Course) -> list[Record]:
    """Read up to STEP rows, or to the next damaged place and over it."""
    found: list[Any] = []
    try:
        for row in db.execute(_ROWS, (course.everything, course.after + 1, STEP)):
            found.append(row)  # noqa: PERF402 (what came before an error stays)
        course.done = len(found) < STEP
    except sqlite3.DatabaseError as error:
        _judge(error)
        # A cursor is one row ahead, and what it then meets costs the row before.
        behind = found[-1][0] if found else course.after
        one = _peek(db, course, behind + 1)
        if one is None:
            beyond = _pass_over(db, course, behind)
            course.done, course.after = beyond is None, beyond or behind
        found += one or ()
    course.after = max([course.after, *(row[0] for row in found[-1:])])
    return [record for row in found if (record := rows.read(row)) is not None]


def _judge(error: sqlite3.DatabaseError) -> None:
    """Raise again what is not the file's fault."""
    if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _FOR_NOW:
        raise error


def _pass_over(db: sqlite3.Connection, course: _Course, after: int) -> int | None:
    """The first position behind `after` from which can be read on; None where there is none."""
    low, high = 0, 1
    while _peek(db, course, after + high + 1) is None:
        low, high = high, high * 2
        if high > _END:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _peek(db, course, after + middle + 1) is None:
            low = middle
        else:
            high = middle
    return after + high


def _peek(db: sqlite3.Connection, course: _Course, position: int) -> list[Any] | None:
    """The first row from a position on, if there is one; None where it cannot be read."""
    try:
        return db.execute(_ROWS, (course.everything, position, 1)).fetchall()
    except sqlite3.DatabaseError as error:
        _judge(error)
        return None


def _read_ends(db: sqlite3.Connection, handed: Handed) -> list[tuple[Epoch, int]]:
    """Every epoch and its last number, as far as is known or can be read: by the records, and by
    their index, which lies elsewhere in the file.
    """
    ends: list[tuple[Epoch, int]] = []
    for row, name, last in _query(db, "SELECT id, epoch, last_seq FROM epoch ORDER BY id"):
        lasts = (
            *_query(db, "SELECT seq FROM record WHERE epoch = ? ORDER BY id DESC LIMIT 1", row),
            *_query(
                db,
                "SELECT max(seq) FROM record INDEXED BY record_open"
                " WHERE settled_at IS NULL AND epoch = ?",
                row,
            ),
        )
        said = (last, *(end for (end,) in lasts))
        numbers = (number for number in said if isinstance(number, int))
        ends.append((Epoch(name), max(handed.get(name, 0), *numbers, 0)))
    return ends


def _query(db: sqlite3.Connection, query: str, *values: Any) -> Iterator[Any]:
    try:
        yield from db.execute(query, values)
    except sqlite3.DatabaseError as error:
        _judge(error)


# -- writing what was read --------------------------------------------------


def _bring(records: list[Record], course: _Course, into: Shelf) -> None:
    moving = [record for record in records if record.kind is not Kind.GONE]
    for record in records:
        numbers = course.kept if record.kind is Kind.GONE else course.moved
        _add(numbers.setdefault(record.number.epoch, []), record.number.seq)
    into.bring(moving, course.place)
    course.place += len(moving)
    course.records += len(moving)
    for record in records:
        if record.kind is Kind.GONE:
            _bring_gone(record, course, into)


def _bring_gone(record: Record, course: _Course, into: Shelf) -> None:
    """Keep its number, because it speaks of its epoch's; once, though the file be read twice."""
    if not into.fetch([record.number]):
        row, _ = _find_epoch(into, record.number.epoch)
        into.insert([replace(record, position=course.place)], row)
        course.place += 1


def _find_epoch(into: Shelf, name: Epoch) -> tuple[int, int]:
    """The row and the last number of an epoch, which is adopted where it is not known."""
    for row, known, last in into.epochs():
        if known == name:
            return row, last
    return into.adopt_epoch(name, 0), 0


def _add(ranges: list[Range], seq: int) -> None:
    if ranges and ranges[-1][1] == seq - 1:
        ranges[-1] = (ranges[-1][0], seq)
    else:
        ranges.append((seq, seq))


def _account(ends: list[tuple[Epoch, int]], course: _Course, into: Shelf, voice: Voice) -> None:
    """Declare every other number of the damaged file gone: as released what has another now, else
    as damaged; those that were committed before stay so.

    Where not even the epoch can be read, or its last records, the audit shows them missing.
    """
    for name, end in ends:
        moved, kept = course.moved.get(name, []), course.kept.get(name, [])
        row, known = _find_epoch(into, name)
        last = max([end, known, *(high for _, high in (*moved, *kept))])
        read = (seq for low, high in sorted((*moved, *kept)) for seq in range(low, high + 1))
        lost = complement(read, last)
        into.keep(_MADE + name, str(last + 1))
        told = declare_gone(into, (row, name, last), moved, "released", voice)
        declare_gone(into, (row, name, last + told), lost, "damaged", voice)


def make_way(into: Shelf, entry: EpochReceipt, voice: Voice, handed: int) -> bool:
    """Number what `_account` said anew, where a receipt knows of more numbers than could be read,
    or settles such a word before it was handed to a broker: it took numbers that records have,
    which are then declared gone where nobody has them. Whether it was so.
    """
    first = _read_made(into, entry.epoch)
    if first is None:
        return False
    row, last = _find_epoch(into, entry.epoch)
    if not (entry.upto > last or entry.upto >= first > handed):
        return False
    into.shift(row, first, entry.upto + 1 - first)
    into.keep(_MADE + entry.epoch, str(entry.upto + 1))
    last += entry.upto + 1 - first
    lost = [(max(low, first), high) for low, high in entry.missing if high >= first]
    declare_gone(into, (row, entry.epoch, last), lost, "damaged", voice)
    return True


def find_handed(shelf: Shelf) -> dict[Epoch, int]:
    """The highest number of each epoch that a process before this may have handed to a broker.

    A word of ours that waits counts as not handed: should it have been, it is said twice.
    """
    handed = {name: last for _, name, last in shelf.epochs()}
    for row, name, _ in shelf.epochs():
        if (first := _read_made(shelf, name)) is not None:
            (waiting,) = shelf.db.execute(
                "SELECT min(seq) FROM record"
                " WHERE settled_at IS NULL AND epoch = ? AND seq BETWEEN ? AND ?",
                (row, first, _END),
            ).fetchone()
            handed[name] = waiting - 1 if waiting else handed[name]
    return handed


def _read_made(shelf: Shelf, epoch: Epoch) -> int | None:
    """The first number of an epoch that `_account` gave; None where it cannot be read, either."""
    made = shelf.fact(_MADE + epoch) or ""
    return int(made) if made.isdecimal() else None
