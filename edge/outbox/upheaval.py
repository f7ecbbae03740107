"""What concerns all that a shelf holds: a new ledger, and a new epoch.

Both are written down as an aim, and reached in steps of some milliseconds: one transaction would
hold up an alarm for seconds, and need room for a second outbox. After a crash the next step goes on
where the last one ended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

from edge.outbox import account
from edge.outbox.account import Range, Voice, complement, declare_gone, join_ranges
from edge.outbox.shelf import Shelf
from edge.record import Record
from khaen import log
from khaen.ids import Epoch
from khaen.receipt import EpochReceipt
from khaen.uplink import Number

_log = log.logger()
RESENDING: Final = "resending"
"""The fact that all goes again: epoch's row and number up to which the rest is declared gone."""
RENUMBERING: Final = "renumbering"
"""The fact that epochs are left: which, and how far it has come."""
_AIM: Final = {"epochs": list, "top": int, "priority": bool, "after": int}
_RELEASED: Final = "released"


def go_on(
    shelf: Shelf, said: dict[Epoch, EpochReceipt], now_us: int, voice: Voice, limit: int
) -> tuple[bool, int]:
    """Do a step of `limit` records: whether there is more to do, and how many aims were reached.

    What receipts `said` is settled after a new ledger was told of everything, and before records
    lose the numbers of which it speaks.
    """
    reached = 0
    if is_resending(shelf):
        if not resend(shelf, said, voice, limit):
            return True, 0
        reached += 1
    for entry in list(said.values()):
        limit -= account.settle(shelf, entry, now_us, limit)
        if limit <= 0:
            return True, reached
    said.clear()
    if is_renumbering(shelf):
        if not renumber(shelf, voice, limit):
            return True, reached
        reached += 1
    return False, reached


# -- a new ledger -------------------------------------------------------------


def begin_to_resend(shelf: Shelf, ledger: str) -> None:
    """A ledger was made anew, perhaps from a backup: all that is held goes again, and what is not
    is gone.
    """
    shelf.keep(RESENDING, json.dumps([None, 0]))
    _log.warning("ledger_changed", ledger=ledger, held=shelf.settled)


def is_resending(shelf: Shelf) -> bool:
    """Whether a new ledger is still to be told of all that there is."""
    return shelf.fact(RESENDING) is not None


def resend(shelf: Shelf, known: dict[Epoch, EpochReceipt], voice: Voice, limit: int) -> bool:
    """Do a step; whether it was the last. Nothing may be settled before that.

    What the new ledger is `known` to have settled is not declared gone.
    """
    left = limit - shelf.unsettle(limit)
    begun, seq = _read_way(shelf)
    for epoch in shelf.epochs():
        row, name, last = epoch
        if begun is not None and row < begun:
            continue
        if row != begun:
            seq = 0
        if left <= 0:
            shelf.keep(RESENDING, json.dumps([row, seq]))
            return False
        held = _list_unsettled(shelf, row, seq, left)
        end = held[-1] if len(held) == left else last
        absent = complement(held, end, seq + 1)
        declare_gone(shelf, epoch, _leave_out(absent, known.get(name), last), _RELEASED, voice)
        left -= max(1, len(held))
        begun, seq = row, end
        if end != last:
            shelf.keep(RESENDING, json.dumps([row, end]))
            return False
    shelf.drop(RESENDING)
    return True


def _read_way(shelf: Shelf) -> tuple[int | None, int]:
    """Where to go on; at the beginning, where a card has changed what was kept of it."""
    with suppress(ValueError, TypeError):
        row, seq = json.loads(shelf.fact(RESENDING) or "")
        return None if row is None else int(row), int(seq)
    return None, 0


def _list_unsettled(shelf: Shelf, row: int, after: int, limit: int) -> list[int]:
    """Unsettled numbers of an epoch behind one of them, ascending."""
    rows = shelf.db.execute(
        "SELECT seq FROM record WHERE settled_at IS NULL AND epoch = ? AND seq > ?"
        " ORDER BY seq LIMIT ?",
        (row, after, limit),
    )
    return [seq for (seq,) in rows.fetchall()]


def _leave_out(absent: Sequence[Range], known: EpochReceipt | None, last: int) -> list[Range]:
    """Those of the numbers that `known` does not settle."""
    if known is None:
        return list(absent)
    unsettled = [*known.missing, (max(known.upto, known.watermark) + 1, last)]
    both = ((max(start, a), min(end, b)) for start, end in absent for a, b in unsettled)
    return [(low, high) for low, high in both if low <= high]


# -- a new epoch --------------------------------------------------------------


def begin_epoch(shelf: Shelf, reason: str) -> None:
    """Begin a new epoch: what is unsettled and has a number of the old one gets another."""
    left = _read(shelf)["epochs"]
    row, old, _ = shelf.epochs()[-1]
    shelf.open_epoch()
    _log.error("epoch_renewed", reason=reason, old=old, new=shelf.epoch)
    _write(shelf, epochs=[*left, row], top=shelf.position, priority=True, after=0)


def is_renumbering(shelf: Shelf) -> bool:
    """Whether records are still to be numbered anew."""
    return shelf.fact(RENUMBERING) is not None


def is_left(shelf: Shelf, epoch: Epoch) -> bool:
    """Whether records still have an epoch's numbers that are another's by now."""
    rows = _read(shelf)["epochs"]
    return bool(rows) and any(row in rows and name == epoch for row, name, _ in shelf.epochs())


def renumber(shelf: Shelf, voice: Voice, limit: int) -> bool:
    """Do a step; whether it was the last.

    `gone` records stay in their epoch, because they speak of its numbers.
    """
    aim, left = _read(shelf), limit
    for priority in (True, False):
        if priority and not aim["priority"]:
            continue
        after = aim["after"] if priority == aim["priority"] else 0
        rows = shelf.db.execute(
            "SELECT id, epoch, seq, kind FROM record WHERE settled_at IS NULL AND priority = ?"
            " AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (priority, after, aim["top"], left),
        ).fetchall()
        moving = [row[:3] for row in rows if row[1] in aim["epochs"] and row[3] != "gone"]
        _give_numbers(shelf, moving, voice)
        if len(rows) == left:
            _write(shelf, **{**aim, "priority": priority, "after": rows[-1][0]})
            return False
        left -= len(rows)
    shelf.drop(RENUMBERING)
    return True


def _give_numbers(shelf: Shelf, rows: Sequence[tuple[int, int, int]], voice: Voice) -> None:
    """Number records in the present epoch, and declare their old numbers gone."""
    new, first = shelf.epochs()[-1][0], shelf.last_seq + 1
    shelf.db.executemany(
        "UPDATE record SET epoch = ?, seq = ? WHERE id = ?",
        [(new, first + index, position) for index, (position, _, _) in enumerate(rows)],
    )
    shelf.set_last_seq(shelf.last_seq + len(rows))
    epochs = {row: (row, name, last) for row, name, last in shelf.epochs()}
    old = sorted((epoch, seq) for _, epoch, seq in rows)
    for epoch, members in groupby(old, key=lambda member: member[0]):
        ranges = join_ranges(seq for _, seq in members)
        declare_gone(shelf, epochs[epoch], ranges, _RELEASED, voice)


def _read(shelf: Shelf) -> dict[str, Any]:
    """How far the numbering anew has come; where a card has changed what was kept of it, every
    epoch but the present one is left.
    """
    kept = shelf.fact(RENUMBERING)
    if kept is None:
        return {"epochs": [], "top": 0, "after": 0}
    with suppress(ValueError, AttributeError):
        aim: dict[str, Any] = json.loads(kept)
        if {key: type(value) for key, value in aim.items()} == _AIM:
            return aim
    left = [row for row, _, _ in shelf.epochs()[:-1]]
    return {"epochs": left, "top": shelf.position, "priority": True, "after": 0}


def _write(shelf: Shelf, **aim: Any) -> None:
    shelf.keep(RENUMBERING, json.dumps(aim))


# -- what may be sent meanwhile -----------------------------------------------


def page(shelf: Shelf, *, priority: bool, after: int, limit: int) -> list[Record]:
    """Unsettled records behind a position, in order, but for those that await a new number."""
    low, high = _hidden(shelf, priority=priority)
    if not low <= after < high:
        records = shelf.page(priority=priority, after=after, limit=limit)
        seen = [record for record in records if not low < record.position <= high]
        if seen or not records:
            return seen
    return shelf.page(priority=priority, after=max(after, high), limit=limit)


def fetch(shelf: Shelf, numbers: Sequence[Number]) -> list[Record]:
    """Those of the records that are unsettled and do not await a new number."""
    spans = {priority: _hidden(shelf, priority=priority) for priority in (True, False)}
    found = shelf.fetch(numbers)
    return [r for r in found if not spans[r.priority][0] < r.position <= spans[r.priority][1]]


def _hidden(shelf: Shelf, *, priority: bool) -> Range:
    """Positions that may have an old number: those above the first, up to the second."""
    aim = _read(shelf)
    if not aim["epochs"] or (priority and not aim["priority"]):
        return 0, 0
    return (aim["after"] if priority == aim["priority"] else 0), aim["top"]
