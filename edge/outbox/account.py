"""The account of a shelf's numbers: which are settled, which wait, which will never come.

Numbers that will never come under their epoch are declared `gone` by a record that is numbered in
that same epoch, so that heard = committed + gone + in flight + missing in each epoch by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from chirpstack_api import gw

from edge.outbox.shelf import Shelf
from edge.record import Arrival, Instant
from khaen.ids import Epoch, GatewayEui
from khaen.receipt import EpochReceipt
from khaen.uplink import Kind, Number, Origin

MAX_RANGES = 1000
"""Ranges in one `gone` record (docs/wire.md)."""
MAX_WAITING = 64
"""Ranges in a status document; the last then stands for all that follow (docs/wire.md)."""
_MAX_SCAN = 20_000

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How a shelf stands; `waiting` are ranges of the present epoch."""

    epoch: Epoch
    last_seq: int
    backlog: int
    held: int
    waiting: tuple[Range, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Whose word a record of our own is, and when it is given."""

    gateway: GatewayEui
    origin: Origin
    instant: Instant


def join_ranges(numbers: Iterable[int]) -> list[Range]:
    """Ascending numbers as closed ranges."""
    ranges: list[Range] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def complement(numbers: Iterable[int], last: int, first: int = 1) -> list[Range]:
    """What ascending numbers leave out of `first` to `last`."""
    ranges: list[Range] = []
    for number in chain(numbers, (last + 1,)):
        if number > first:
            ranges.append((first, number - 1))
        first = number + 1
    return ranges


def count(shelf: Shelf) -> Counts:
    """Look at a shelf."""
    return Counts(
        epoch=shelf.epoch,
        last_seq=shelf.last_seq,
        backlog=shelf.unsettled,
        held=shelf.unsettled + shelf.settled,
        waiting=_list_waiting(shelf),
    )


def _list_waiting(shelf: Shelf) -> tuple[Range, ...]:
    row, _, last = shelf.epochs()[-1]
    rows = shelf.db.execute(
        "SELECT seq FROM record WHERE settled_at IS NULL AND epoch = ? ORDER BY seq LIMIT ?",
        (row, _MAX_SCAN),
    ).fetchall()
    ranges = join_ranges(seq for (seq,) in rows)
    if len(ranges) > MAX_WAITING or len(rows) == _MAX_SCAN:
        kept = ranges[:MAX_WAITING]
        return (*kept[:-1], (kept[-1][0], last))
    return tuple(ranges)


def settle(shelf: Shelf, receipt: EpochReceipt, now_us: int, limit: int) -> int:
    """Mark as settled what the receipt says, of its epoch, `limit` at most; return how many."""
    row = shelf.db.execute("SELECT id FROM epoch WHERE epoch = ?", (receipt.epoch,)).fetchone()
    if row is None:
        return 0
    settled = 0
    for first, last in _settled_ranges(receipt):
        settled += shelf.settle(row[0], first, last, now_us, limit - settled)
        if settled >= limit:
            break
    return settled


def settle_one(shelf: Shelf, number: Number, now_us: int) -> None:
    """Mark a single record as settled."""
    row = shelf.db.execute("SELECT id FROM epoch WHERE epoch = ?", (number.epoch,)).fetchone()
    if row is not None:
        shelf.settle(row[0], number.seq, number.seq, now_us, 1)


def _settled_ranges(receipt: EpochReceipt) -> Iterator[Range]:
    first = 1
    for start, end in receipt.missing:
        if start > first:
            yield first, start - 1
        first = max(first, end + 1)
    last = max(receipt.upto, receipt.watermark)
    if last >= first:
        yield first, last


def declare_gone(
    shelf: Shelf,
    epoch: tuple[int, Epoch, int],
    ranges: Sequence[Range],
    reason: str,
    voice: Voice,
) -> int:
    """Number records in `epoch` that say which of its numbers will never come; return how many."""
    row, _, last = epoch
    records = 0
    for start in range(0, len(ranges), MAX_RANGES):
        body = {"reason": reason, "ranges": ranges[start : start + MAX_RANGES]}
        frame = gw.UplinkFrame(
            phy_payload=json.dumps(body, separators=(",", ":")).encode(),
            rx_info=gw.UplinkRxInfo(gateway_id=voice.gateway),
        )
        arrival = Arrival(
            kind=Kind.GONE,
            frame=frame.SerializeToString(),
            priority=False,
            origin=voice.origin,
            instant=voice.instant,
            heard=0.0,
            live_s=0.0,
        )
        shelf.append_to(row, last + records, arrival)
        records += 1
    return records
