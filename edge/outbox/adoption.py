"""The volatile epoch's way to the disk, once that takes again."""

from __future__ import annotations

from dataclasses import replace

from edge.outbox.account import Voice, declare_gone, join_ranges
from edge.outbox.shelf import Shelf
from edge.record import Arrival, Record
from khaen.uplink import Kind


def adopt(memory: Shelf, disk: Shelf, voice: Voice) -> int:
    """Bring a volatile epoch to the disk under new numbers, and account there for those that its
    records had; return how many records.
    """
    records = list(memory.every())
    moving = [record for record in records if record.kind is not Kind.GONE]
    disk.append([_arrival(record) for record in moving])
    for _, name, last in memory.epochs():
        row = disk.adopt_epoch(name, last)
        kept = [r for r in records if r.kind is Kind.GONE and r.number.epoch == name]
        for record in kept:
            disk.position += 1
            disk.insert([replace(record, position=disk.position)], row)
        ranges = join_ranges(sorted(r.number.seq for r in moving if r.number.epoch == name))
        declare_gone(disk, (row, name, last), ranges, "released", voice)
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
