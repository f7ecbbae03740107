"""Records on the move: out of a damaged file, or out of memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from edge.outbox.account import Voice, complement, declare_gone, join_ranges
from edge.outbox.shelf import Shelf
from edge.record import Arrival, Record
from khaen.ids import Epoch
from khaen.uplink import Kind

KEPT_ASIDE: Final = 2
"""Damaged files that stay, for whoever wants to know what happened."""
_PARTS: Final = ("", "-wal", "-shm")
_MARK: Final = ".damaged-"


def move_aside(path: Path, at: datetime) -> Path:
    """Rename the file and what SQLite keeps beside it; return its new name. Raises OSError."""
    aside = path.with_name(f"{path.name}{_MARK}{at.strftime('%Y%m%dT%H%M%S%fZ')}")
    for suffix in _PARTS:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def clear_aside(path: Path) -> list[Path]:
    """Delete the oldest of the damaged files beside `path`; return which. Raises OSError."""
    names = {
        file.name.removesuffix("-wal").removesuffix("-shm")
        for file in path.parent.glob(f"{path.name}{_MARK}*")
    }
    # By when they were written: where the clock was not set, a name lies.
    damaged = sorted(
        (file for name in names if (file := path.with_name(name)).exists()),
        key=lambda file: file.stat().st_mtime_ns,
    )
    for file in damaged[:-KEPT_ASIDE]:
        for suffix in _PARTS:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    return damaged[:-KEPT_ASIDE]


def salvage(damaged: Path, into: Shelf, voice: Voice) -> int:
    """Number anew what can be read of a damaged file; return how many records.

    Its other numbers are declared gone as damaged; those that were committed before stay so. Where
    not even the epoch can be read, or its last records, the audit shows them missing.
    """
    epochs: list[tuple[int, Epoch, int]] = []
    records: list[Record] = []
    try:
        source = Shelf(damaged, read_only=True)
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
    ends = _find_ends(records)
    epochs = [(row, name, max(last, ends.get(name, 0))) for row, name, last in epochs]
    moved = _move(epochs, records, into, voice)
    ended = {name: last for _, name, last in epochs}
    for row, name, last in into.epochs():
        if name in ended:
            read = sorted(record.number.seq for record in records if record.number.epoch == name)
            lost = complement(read, ended[name])
            declare_gone(into, (row, name, last), lost, "damaged", voice)
    return moved


def _find_ends(records: Iterable[Record]) -> dict[Epoch, int]:
    """The highest number read of each epoch."""
    ends: dict[Epoch, int] = {}
    for record in records:
        ends[record.number.epoch] = max(ends.get(record.number.epoch, 0), record.number.seq)
    return ends


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


def adopt(memory: Shelf, disk: Shelf, voice: Voice) -> int:
    """Bring a volatile epoch to the disk, under new numbers; return how many records."""
    return _move(memory.epochs(), list(memory.every()), disk, voice)


def _move(
    epochs: list[tuple[int, Epoch, int]],
    records: list[Record],
    into: Shelf,
    voice: Voice,
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
        declare_gone(into, (row, name, last), ranges, "released", voice)
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
