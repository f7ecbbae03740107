"""What leaves an outbox, and in which order: the bounds in time and space.

Receipted records leave after their time, or earlier for want of room. Then heartbeats are shed,
then the oldest frames without priority; frames with priority only where nothing else is left.
Everything is done in steps, so that no transaction holds up an alarm.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import inf
from typing import Final

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge.outbox.account import Range, Voice, declare_gone, join_ranges
from edge.outbox.bounds import Bounds
from edge.outbox.schema import LOG_SIZE
from edge.outbox.shelf import Shelf
from edge.outbox.upheaval import is_resending
from khaen.clock import Rung

MAX_VOLATILE: Final = 10_000
"""Records kept in memory while the disk refuses (docs/wire.md)."""
STEP: Final = 256
"""Records that leave in one transaction: some milliseconds of a Pi's card."""
HELD_SHARE: Final = 3 / 4
"""Receipted records are held until the last quarter of the quota is needed (docs/wire.md)."""
LEAST: Final = 8 << 20
"""Bytes that an outbox may have, however little of the file system is free: its log, and some
15,000 frames."""
_GATHER_US: Final = 600_000_000
"""Records whose time is over may stay for so long more, to leave together: it spares the card."""
_FOLDABLE: Final = 6_000
"""A `gone` record of up to so many bytes goes into the next one; longer ones stay as they are."""
_MAX_FOLDED: Final = 8
_EVEN_S: Final = 3600.0
_JUMP_US: Final = 60_000_000
"""For so long the time of day must not have jumped by more, before anything is shed for its age."""
_SHED: Final = "shed"
_DAMAGED: Final = "damaged"
_ORDER: Final = (
    "kind IN ('heartbeat', 'gone') AND kind = 'heartbeat'",  # as the index is written
    "priority = 0 AND kind <> 'gone'",
    "priority = 1 AND kind <> 'gone'",
)

_Row = tuple[int, int, int]
"""Position, epoch's row, number."""


def measure(shelf: Shelf, bounds: Bounds) -> tuple[int, int]:
    """How much there is, and how much there may be: records in memory, bytes on disk.

    What the file system has free beyond `keep_free` may be taken; what the file has already is
    never given back. What the write-ahead log may take is not for records.
    """
    if shelf.volatile:
        return shelf.unsettled + shelf.settled, MAX_VOLATILE
    try:
        system = os.statvfs(shelf.path.parent)
        size = shelf.path.stat().st_size + shelf.log_path.stat().st_size
    except OSError:  # a disk that is gone has no bounds; SQLite says the rest
        return shelf.fill(), bounds.quota - LOG_SIZE
    spare = max(0, system.f_bavail * system.f_frsize - bounds.keep_free)
    return shelf.fill(), min(bounds.quota, max(LEAST, size + spare)) - LOG_SIZE


def make_room(shelf: Shelf, bounds: Bounds, voice: Voice, step: int) -> tuple[int, int]:
    """Let some go where there are too many; return how many receipted and unreceipted ones.

    `step` of each at most.
    """
    used, limit = measure(shelf, bounds)
    # What a new ledger is still to get is not let go before its time.
    full = used > limit * HELD_SHARE and not is_resending(shelf)
    released = _release(shelf, step) if full else 0
    if released:
        used, limit = measure(shelf, bounds)
    return released, _shed(shelf, step, voice) if used > limit else 0


def _release(shelf: Shelf, step: int) -> int:
    """Forget receipted records before their time, longest receipted first."""
    rows = shelf.db.execute(
        "SELECT id FROM record WHERE settled_at IS NOT NULL ORDER BY settled_at LIMIT ?", (step,)
    )
    return shelf.forget([row for (row,) in rows.fetchall()], settled=True)


def _shed(shelf: Shelf, step: int, voice: Voice) -> int:
    for what in _ORDER:
        rows: list[_Row] = shelf.db.execute(
            f"SELECT id, epoch, seq FROM record WHERE settled_at IS NULL AND {what}"  # noqa: S608
            " ORDER BY id LIMIT ?",
            (step,),
        ).fetchall()
        if rows:
            return _part_with(shelf, rows, voice, _SHED)
    return 0


class Evenness:
    """Whether the time of day has gone on as the monotonic clock does, for so long that it is true:
    a jump would make everything old at once.
    """

    def __init__(self) -> None:
        self._offset_us, self._since = inf, 0.0

    def lasts(self, now_us: int, monotonic: float) -> bool:
        """Look at both clocks, in microseconds and seconds."""
        offset_us = now_us - monotonic * 1e6
        if abs(offset_us - self._offset_us) > _JUMP_US:
            self._offset_us, self._since = offset_us, monotonic
        return monotonic - self._since >= _EVEN_S


def shed_old(shelf: Shelf, before_us: int, voice: Voice) -> int:
    """Shed some of the frames without priority that were heard before a time; how many.

    Records are in the order in which they were heard: what lies before an old one is old, dated or
    not, and what lies behind a young one is young. Only a synchronised clock's word counts: a
    receiver's time of satellites may be anything.
    """
    rows = shelf.db.execute(
        "SELECT id, epoch, seq, heard_at, clock FROM record WHERE settled_at IS NULL"
        " AND priority = 0 AND kind <> 'gone' ORDER BY id LIMIT ?",
        (STEP,),
    ).fetchall()
    old = 0
    for count, (*_, heard_at, clock) in enumerate(rows, 1):
        if clock == Rung.SYNCED.value and isinstance(heard_at, int):
            if heard_at >= before_us:
                break
            old = count
    return _part_with(shelf, [row[:3] for row in rows[:old]], voice, _SHED) if old else 0


def give_up(shelf: Shelf, positions: Iterable[int], voice: Voice) -> int:
    """Part with those of the records that are unreceipted, because nobody can read them; how
    many.
    """
    found = (
        shelf.db.execute(
            "SELECT id, epoch, coalesce(CAST(seq AS INTEGER), 0) FROM record"
            " WHERE settled_at IS NULL AND id = ?",
            (position,),
        ).fetchone()
        for position in positions
    )
    return _part_with(shelf, [row for row in found if row is not None], voice, _DAMAGED)


def _part_with(shelf: Shelf, rows: Sequence[_Row], voice: Voice, reason: str) -> int:
    """Delete unreceipted records, and declare them gone in their epochs.

    Of a damaged one the number may be none that was given: of that nothing is said.
    """
    shelf.forget([position for position, _, _ in rows], settled=False)
    epochs = {row: (row, name, last) for row, name, last in shelf.epochs()}
    given = [row for row in rows if row[1] in epochs and 0 < row[2] <= epochs[row[1]][2]]
    by_epoch = sorted(given, key=lambda row: (row[1], row[2]))
    for epoch, members in groupby(by_epoch, key=lambda row: row[1]):
        ranges = join_ranges(seq for _, _, seq in members)
        ranges = _unite([*ranges, *_fold(shelf, epoch, reason)])
        declare_gone(shelf, epochs[epoch], ranges, reason, voice)
    return len(rows)


def _fold(shelf: Shelf, epoch: int, reason: str) -> list[Range]:
    """Take back earlier words of the same kind; the next one says them, and that they are gone.

    Without it, what was shed would soon fill the outbox with the news of it.
    """
    rows = shelf.db.execute(
        "SELECT id, seq, frame FROM record WHERE settled_at IS NULL"
        " AND kind IN ('heartbeat', 'gone') AND kind = 'gone' AND epoch = ? AND length(frame) < ?"
        " ORDER BY id DESC LIMIT ?",
        (epoch, _FOLDABLE, _MAX_FOLDED),
    ).fetchall()
    folded: list[int] = []
    ranges: list[Range] = []
    for position, seq, frame in rows:
        try:
            said, of = _read_word(seq, frame)
        except (DecodeError, ValueError, TypeError, KeyError):  # whoever is to send it will see
            continue
        if said == reason:
            folded.append(position)
            ranges += [(seq, seq), *of]
    shelf.forget(folded, settled=False)
    return ranges


def _read_word(seq: int, frame: bytes) -> tuple[str, list[Range]]:
    """Reason and ranges of the `gone` record with this number. What a card has changed in it raises
    DecodeError, ValueError, TypeError or KeyError.
    """
    body = json.loads(gw.UplinkFrame.FromString(frame).phy_payload)
    ranges = [(int(first), int(last)) for first, last in body["ranges"]]
    if not all(0 < first <= last < seq for first, last in ranges):
        raise ValueError("out of range")
    return body["reason"], ranges


def _unite(ranges: Iterable[Range]) -> list[Range]:
    united: list[Range] = []
    for first, last in sorted(ranges):
        if united and first <= united[-1][1] + 1:
            united[-1] = united[-1][0], max(united[-1][1], last)
        else:
            united.append((first, last))
    return united


def let_go(shelf: Shelf, before_us: int, floor_us: int, now_us: int) -> int:
    """Forget some of what was settled before `before_us`; return how many.

    What was settled while the clock was not set (before `floor_us`) counts as settled now.
    """
    (oldest,) = shelf.db.execute(
        "SELECT min(settled_at) FROM record WHERE settled_at IS NOT NULL"
    ).fetchone()
    if oldest is None or (floor_us <= oldest and oldest + _GATHER_US >= before_us):
        return 0
    shelf.db.execute(
        "UPDATE record SET settled_at = ? WHERE settled_at IS NOT NULL AND settled_at < ?",
        (now_us, floor_us),
    )
    rows = shelf.db.execute(
        "SELECT id FROM record WHERE settled_at IS NOT NULL AND settled_at < ?"
        " ORDER BY settled_at LIMIT ?",
        (before_us, STEP),
    )
    return shelf.forget([row for (row,) in rows.fetchall()], settled=True)
