"""The outbox: what was heard is here before anything else happens to it, until it is receipted.

All of it runs in one thread (`edge.writer`). A disk that refuses (full, read-only, broken) is
replaced by a volatile epoch in memory, until it takes again; a damaged file is moved aside.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from edge import account
from edge.account import Counts
from edge.dating import FLOOR, Dating
from edge.host import Host
from edge.record import Arrival, Record
from edge.salvage import adopt, move_aside, salvage, shed
from edge.shelf import MEMORY, Shelf
from khaen import log
from khaen.clock import Clock, to_micros
from khaen.ids import Epoch, GatewayEui
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Number, Origin

_log = log.logger()
T = TypeVar("T")
_RETRY_S = 5.0
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The outcome of an append; what is not `durable` must not be acknowledged to the radio.

    The numbers hold while the outbox's `generation` is the same.
    """

    records: tuple[Record, ...]
    durable: bool
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Obeyed:
    """The outcome of a receipt: how many were settled, and whether numbers or states moved."""

    settled: int
    moved: bool


class Outbox:
    """Opens `path`, whatever state it is in; never fails, but may be `volatile`."""

    def __init__(
        self,
        path: Path,
        *,
        gateway: GatewayEui,
        origin: Origin,
        clock: Clock,
        host: Host,
        dating: Dating,
        hold_s: float,
    ) -> None:
        self._path, self._gateway, self._origin = path, gateway, origin
        self._clock, self._host, self._dating, self._hold_s = clock, host, dating, hold_s
        self._disk: Shelf | None = None
        self._memory: Shelf | None = None
        self._retry_at = 0.0
        self.generation = 0
        """Grows whenever records got other numbers, or settled ones became unsettled."""
        self.present = Epoch("")
        """The present epoch, as of the last transaction; other threads may read it."""
        self.run([self.count])

    # -- transactions -------------------------------------------------------

    @property
    def volatile(self) -> bool:
        """Whether the disk refuses, so that frames are kept in memory only."""
        return self._memory is not None

    @property
    def _shelf(self) -> Shelf:
        """Where is written now."""
        shelf = self._memory or self._disk
        if shelf is None:
            shelf = self._disk = self._attach()
        return shelf

    def _shelves(self) -> list[Shelf]:
        """Where is read now, oldest records first."""
        return [shelf for shelf in (self._disk, self._memory) if shelf is not None]

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Run jobs as one transaction: all their effects are durable on return.

        When the disk refuses they run again, on the volatile epoch.
        """
        if self.volatile and self._clock.monotonic() >= self._retry_at:
            self._recover()
        while True:
            try:
                return self._run_once(jobs)
            except sqlite3.DatabaseError as error:
                if self.volatile:
                    self._drop_disk()  # only a read of it can have failed
                else:
                    self._endure(error)

    def _run_once(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        shelf = self._shelf
        try:
            shelf.begin()
            results = [job() for job in jobs]
            shelf.commit()
            self.present = shelf.epoch
        except BaseException:
            shelf.rollback()
            raise
        return results

    def _attach(self) -> Shelf:
        """Open the file and make it this machine's own."""
        shelf = Shelf(self._path)
        try:
            shelf.begin()
            machine = shelf.fact("machine_id")
            shelf.keep("machine_id", self._host.machine_id)
            if machine not in (None, self._host.machine_id):
                self._renew(shelf, "machine_id")
            shelf.commit()
            shelf.check()
        except BaseException:
            shelf.close()
            raise
        for boot, offset in shelf.boots().items():
            self._dating.offsets.setdefault(boot, offset)
        return shelf

    def _endure(self, error: sqlite3.DatabaseError) -> None:
        """Go on after the disk failed: with a new file where it is damaged, else in memory."""
        if not self._replace(error):
            self._memory = Shelf(MEMORY)
            self._retry_at = self._clock.monotonic() + _RETRY_S
            _log.error("disk_refused", path=str(self._path), error=str(error))

    def _replace(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file where the error says that the present one is damaged."""
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in _DAMAGED:
            return False
        self._drop_disk()
        try:
            self._begin_file()
        except (OSError, sqlite3.DatabaseError) as refusal:
            _log.error("outbox_not_replaced", path=str(self._path), error=str(refusal))
            return False
        return True

    def _begin_file(self) -> None:
        """Move the damaged file aside and begin a new one with what can still be read of it."""
        aside = move_aside(self._path, self._clock.now())
        shelf = self._attach()
        try:
            shelf.begin()
            saved = salvage(aside, shelf, self._gateway, self._origin, self._dating.hear())
            shelf.commit()
        except BaseException:
            shelf.close()
            raise
        self._disk = shelf
        self.generation += 1
        _log.error("outbox_damaged", moved_to=str(aside), saved=saved, epoch=shelf.epoch)

    def _recover(self) -> None:
        """Bring the volatile epoch to the disk, if it takes again."""
        memory = self._memory
        assert memory is not None
        self._retry_at = self._clock.monotonic() + _RETRY_S
        try:
            if self._disk is None:
                self._disk = self._attach()
            self._disk.rollback()
            self._disk.begin()
            moved = adopt(memory, self._disk, self._gateway, self._origin, self._dating.hear())
            self._disk.commit()
        except sqlite3.DatabaseError as error:
            _log.warning("disk_still_refused", error=str(error))
            if not self._replace(error):
                self._undo_read()
            return
        self._memory = None
        self.generation += 1
        memory.close()
        _log.info("disk_taken_again", records=moved, epoch=self._disk.epoch)

    def _undo_read(self) -> None:
        """End a transaction that failed; the file is read on, if it can be."""
        try:
            if self._disk is not None:
                self._disk.rollback()
        except sqlite3.DatabaseError:
            self._drop_disk()

    def _drop_disk(self) -> None:
        if self._disk is not None:
            self._disk.close()
        self._disk = None

    def close(self) -> None:
        """Close the files; what is committed is on disk."""
        for shelf in self._shelves():
            shelf.close()
        self._disk = self._memory = None

    # -- jobs: each runs inside `run` --------------------------------------

    def append(self, arrivals: Sequence[Arrival]) -> Stored:
        """Number and store arrivals, in order."""
        shelf = self._shelf
        if self._memory is not None:
            shed(self._memory, len(arrivals), self._gateway, self._origin, self._dating.hear())
        records = shelf.append(arrivals)
        return Stored(records=tuple(records), durable=not self.volatile, generation=self.generation)

    def page(self, *, priority: bool, after: int, limit: int) -> list[Record]:
        """Unsettled records behind a position, oldest first."""
        records: list[Record] = []
        for shelf in self._shelves():
            if len(records) < limit:
                room = limit - len(records)
                records += shelf.page(priority=priority, after=after, limit=room)
        return records

    def fetch(self, numbers: Sequence[Number]) -> list[Record]:
        """Those of the records that are still unsettled."""
        return [record for shelf in self._shelves() for record in shelf.fetch(numbers)]

    def count_attempts(self, numbers: Sequence[Number]) -> None:
        """Note that these were sent once more."""
        self._shelf.count_attempts(numbers)

    def settle(self, numbers: Sequence[Number]) -> None:
        """Settle single records, where the broker's word is proof."""
        now = to_micros(self._clock.now())
        for number in numbers:
            one = EpochReceipt(
                epoch=number.epoch,
                watermark=0,
                upto=number.seq,
                missing=((1, number.seq - 1),) if number.seq > 1 else (),
            )
            account.settle(self._shelf, one, now)

    def obey(self, receipt: Receipt) -> Obeyed:
        """Do what a receipt of the right site says."""
        shelf = self._shelf
        moved = False
        ledger = shelf.fact("ledger")
        if ledger != receipt.ledger:
            shelf.keep("ledger", receipt.ledger)
            if ledger is not None:
                moved = self._resend_all(shelf, receipt)
        now = to_micros(self._clock.now())
        settled = 0
        for entry in receipt.epochs:
            foreign = entry.conflict or entry.upto > shelf.last_seq
            if entry.epoch == shelf.epoch and foreign:
                self._renew(shelf, "conflict" if entry.conflict else "unknown_numbers")
                moved = True
            else:
                settled += account.settle(shelf, entry, now)
        return Obeyed(settled=settled, moved=moved)

    def _resend_all(self, shelf: Shelf, receipt: Receipt) -> bool:
        """A ledger made anew, perhaps from a backup: all that is held goes again."""
        known = {entry.epoch: entry for entry in receipt.epochs}
        unsettled = account.unsettle(shelf)
        gone = 0
        for row, name, last in shelf.epochs():
            absent = account.list_absent(shelf, row, last, known.get(name))
            gone += account.declare_gone(
                shelf,
                (row, name, last),
                absent,
                "released",
                self._gateway,
                self._origin,
                self._dating.hear(),
            )
        _log.warning("ledger_changed", ledger=receipt.ledger, resent=unsettled, gone_records=gone)
        self.generation += 1
        return True

    def _renew(self, shelf: Shelf, reason: str) -> None:
        old = shelf.epoch
        new = account.renew(shelf, self._gateway, self._origin, self._dating.hear())
        self.generation += 1
        _log.error("epoch_renewed", reason=reason, old=old, new=new)

    def keep(self, key: str, value: str) -> None:
        """Keep a fact beside the records."""
        self._shelf.keep(key, value)

    def fact(self, key: str) -> str | None:
        """A fact that was kept, or None."""
        for shelf in reversed(self._shelves()):
            if (value := shelf.fact(key)) is not None:
                return value
        return None

    def learn_boot(self, boot_id: str, offset_us: int) -> None:
        """Keep what the time of day was in a boot."""
        self._shelf.learn_boot(boot_id, offset_us)

    def prune(self) -> int:
        """Forget some of what was settled long enough ago; how many."""
        if not self._dating.synced():
            return 0
        now = to_micros(self._clock.now())
        before = now - round(self._hold_s * 1_000_000)
        return account.prune(self._shelf, before, to_micros(FLOOR), now)

    def count(self) -> Counts:
        """How the outbox stands; numbers are those of the present epoch."""
        counts = account.count(self._shelf)
        for shelf in self._shelves():
            if shelf is not self._shelf:
                other = account.count(shelf)
                counts = replace(
                    counts, backlog=counts.backlog + other.backlog, held=counts.held + other.held
                )
        return counts
