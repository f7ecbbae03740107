"""Records on the move: out of a damaged file, out of memory, or out of the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from edge.account import complement, declare_gone, join_ranges
from edge.record import Arrival, Instant, Record
from edge.shelf import Shelf
from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Kind, Origin

MAX_VOLATILE = 10_000
"""Frames kept in memory while the disk refuses (docs/wire.md)."""
_SHED_STEP = 100


def move_aside(path: Path, at: datetime) -> Path:
    """Rename the file and what SQLite keeps beside it; return its new name. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{at.strftime('%Y%m%dT%H%M%S%fZ')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def salvage(
    damaged: Path, into: Shelf, gateway: GatewayEui, origin: Origin, instant: Instant
) -> int:
    """Number anew what can be read of a damaged file; return how many records.

    Its other numbers are declared gone as damaged; those that were committed before stay so. Where
    not even the epoch can be read, the audit shows them missing.
    """
    epochs: list[tuple[int, Epoch, int]] = []
    records: list[Record] = []
    try:
        source = Shelf(damaged)
    except sqlite3.DatabaseError:
        return 0
    try:
        epochs = source.epochs()
        records.extend(source.every())
    except sqlite3.DatabaseError:
        # Behind the damage there may be more.
        records.extend(_read_backwards(source, {record.position for record in records}))
    finally:
        source.close()
    moved = _move(epochs, records, into, gateway, origin, instant)
    ended = {name: last for _, name, last in epochs}
    for row, name, last in into.epochs():
        if name in ended:
            read = sorted(record.number.seq for record in records if record.number.epoch == name)
            lost = complement(read, ended[name])
            declare_gone(into, (row, name, last), lost, "damaged", gateway, origin, instant)
    return moved


def _read_backwards(source: Shelf, known: set[int]) -> list[Record]:
    found: list[Record] = []
    try:
        for record in source.every(backwards=True):
            if record.position in known:
                break
            found.append(record)
    except sqlite3.DatabaseError:
        pass
    return found[::-1]


def adopt(memory: Shelf, disk: Shelf, gateway: GatewayEui, origin: Origin, instant: Instant) -> int:
    """Bring a volatile epoch to the disk, under new numbers; return how many records."""
    return _move(memory.epochs(), list(memory.every()), disk, gateway, origin, instant)


def _move(
    epochs: list[tuple[int, Epoch, int]],
    records: list[Record],
    into: Shelf,
    gateway: GatewayEui,
    origin: Origin,
    instant: Instant,
) -> int:
    """Number records anew in `into`, and account there for the numbers that they had."""
    moving = [record for record in records if record.kind is not Kind.GONE]
    into.append([_arrival(record) for record in moving])
    for _, name, last in epochs:
        row = into.adopt_epoch(name, last)
        kept = [r for r in records if r.kind is Kind.GONE and r.number.epoch == name]
        for record in kept:
            into.position += 1
            into.insert([replace(record, position=into.position)], row)
        ranges = join_ranges(sorted(r.number.seq for r in moving if r.number.epoch == name))
        declare_gone(into, (row, name, last), ranges, "released", gateway, origin, instant)
    return len(moving)


def _arrival(record: Record) -> Arrival:
    return Arrival(
        kind=record.kind,
        frame=record.frame,
        priority=record.priority,
        origin=record.origin,
        instant=record.instant,
        heard=0.0,
        live_s=0.0,
        device=record.device,
        topic=record.topic,
    )


def shed(memory: Shelf, coming: int, gateway: GatewayEui, origin: Origin, instant: Instant) -> int:
    """Make room for `coming` records in memory: settled ones first, then the oldest without
    priority, which are declared gone; return how many of the latter.
    """
    (held,) = memory.db.execute("SELECT count(*) FROM record").fetchone()
    if held + coming <= MAX_VOLATILE:
        return 0
    memory.db.execute("DELETE FROM record WHERE settled_at IS NOT NULL")
    (held,) = memory.db.execute("SELECT count(*) FROM record").fetchone()
    if held + coming <= MAX_VOLATILE:
        return 0
    oldest = memory.db.execute(
        "SELECT id, seq FROM record WHERE kind <> 'gone' ORDER BY priority, id LIMIT ?",
        (coming + _SHED_STEP,),
    ).fetchall()
    _delete(memory, (row for row, _ in oldest))
    ranges = join_ranges(sorted(seq for _, seq in oldest))
    epoch = memory.epochs()[-1]
    declare_gone(memory, epoch, ranges, "shed", gateway, origin, instant)
    return len(oldest)


def _delete(shelf: Shelf, positions: Iterable[int]) -> None:
    shelf.db.executemany("DELETE FROM record WHERE id = ?", ((row,) for row in positions))
