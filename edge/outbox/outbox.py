"""The outbox: what was heard is here before anything else happens to it, until it is receipted.

All of it runs in one thread (`edge.outbox.writer`). A disk that refuses (full, read-only, broken)
is replaced by a volatile epoch in memory, until it takes again; a damaged file is moved aside.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from edge.dating import FLOOR, Dating
from edge.host import Host
from edge.outbox import account, aside, owner, schema, upheaval
from edge.outbox.account import Counts, Voice
from edge.outbox.adoption import adopt
from edge.outbox.bounds import Bounds
from edge.outbox.room import STEP, Evenness, give_up, let_go, make_room, shed_old
from edge.outbox.rows import straighten
from edge.outbox.salvage import find_handed, make_way, plan, salvage, salvage_at_once
from edge.outbox.schema import MEMORY
from edge.outbox.shelf import Shelf
from edge.record import Arrival, Record
from khaen import log
from khaen.clock import Clock, to_micros
from khaen.ids import Epoch, GatewayEui
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Number, Origin

_log = log.logger()
T = TypeVar("T")
_RETRY_S = 5.0
_CALM_S = 3600.0
"""So long nothing must have been shed before it is said to have ended."""
_SETTLE_STEP = 1024
"""Receipted records that are written down in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The outcome of an append; what is not `durable` must not be acknowledged to the radio.

    The numbers hold while the outbox's `generation` is the same.
    """

    records: tuple[Record, ...]
    durable: bool
    generation: int


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
        bounds: Bounds,
    ) -> None:
        self._path, self._gateway, self._origin = path, gateway, origin
        self._clock, self._host, self._dating = clock, host, dating
        self.bounds = bounds
        """How much it may keep; whoever changes it does so between transactions."""
        self._disk: Shelf | None = None
        self._memory: Shelf | None = None
        self._evenness, self._retry_at, self._shed_at = Evenness(), 0.0, 0.0
        self._said: dict[Epoch, EpochReceipt] = {}
        self.generation = 0
        """Grows whenever records got other numbers, or settled ones became unsettled."""
        self.present = Epoch("")
        """The present epoch, as of the last transaction; other threads may read it."""
        self.shed = 0
        """Records that were shed since the start; other threads may read it."""
        self.damaged = 0
        """Records that could not be read, since the start; other threads may read it."""
        self.bringing = 0
        """Grows while a damaged file is read, and is 0 at its end; other threads may read it."""
        self.shedding = False
        """Whether records were shed in the last hour."""
        self.handed: dict[Epoch, int] = {}
        """Of each epoch, the highest number that anybody can know of: the last that was found when
        its file was opened, or that was handed to a broker since (as the forwarder notes here).
        """
        try:
            self.run([self.count])
        except (TypeError, ValueError) as error:  # a card changed what no checksum guards
            self._endure(schema.name_damage(str(error)))

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
            before = shelf.position
            results = [job() for job in jobs]
            come = shelf.position - before
            shed = self._make_room(come)[1] if come > 0 else 0
            shelf.commit()
        except BaseException:
            shelf.rollback()
            raise
        self.present = shelf.epoch
        self._tell_shed(shed)
        return results

    def _make_room(self, come: int = 0) -> tuple[int, int]:
        return make_room(self._shelf, self.bounds, self._voice(), max(STEP, come))

    def _voice(self) -> Voice:
        return Voice(gateway=self._gateway, origin=self._origin, instant=self._dating.hear())

    def _tell_shed(self, records: int) -> None:
        self.shed += records
        if records:
            self._shed_at = self._clock.monotonic()
            if not self.shedding:
                self.shedding = True
                _log.error("outbox_began_to_shed", path=str(self._path), volatile=self.volatile)

    def _attach(self) -> Shelf:
        """Open the file and make it this gateway's and this machine's own."""
        aside.finish_move(self._path)
        owner.put_right(self._path, self._gateway, self._clock.now())
        shelf = Shelf(self._path)
        try:
            shelf.begin()
            plan(self._path, shelf)
            shelf.keep(owner.FACT, self._gateway)
            machine = shelf.fact("machine_id")
            shelf.keep("machine_id", self._host.machine_id)
            if machine not in (None, self._host.machine_id):
                self._renew(shelf, "machine_id")
            shelf.commit()
            schema.check(shelf.db)
        except BaseException:
            shelf.close()
            raise
        for boot, offset in shelf.boots().items():
            self._dating.offsets.setdefault(boot, offset)
        for name, last in find_handed(shelf).items():
            self.handed.setdefault(name, last)
        return shelf

    def _endure(self, error: sqlite3.DatabaseError) -> None:
        """Go on after the disk failed: with a new file where it is damaged, else in memory."""
        if not self._replace(error):
            self._memory = Shelf(MEMORY)
            self._retry_at = self._clock.monotonic() + _RETRY_S
            _log.error("disk_refused", path=str(self._path), error=str(error))

    def _replace(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file where the error says that the present one is damaged."""
        if not schema.tells_damage(error):
            return False
        self._drop_disk()
        try:
            self._begin_file()
        except (OSError, sqlite3.DatabaseError) as refusal:
            _log.error("outbox_not_replaced", path=str(self._path), error=str(refusal))
            return False
        return True

    def _begin_file(self) -> None:
        """Move the damaged file aside and begin a new one with what can soon be read of it."""
        moved_to = aside.move(self._path, self._clock.now())
        self._disk = self._attach()
        self.generation += 1
        _log.error("outbox_damaged", moved_to=str(moved_to), epoch=self._disk.epoch)
        salvage_at_once(self._path, self._disk, self.bounds, self._voice(), self.handed)

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
            moved = adopt(memory, self._disk, self._voice())
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
        if self._said and not self.volatile:
            self.run([self._write_down])
        for shelf in self._shelves():
            shelf.close()
        self._disk = self._memory = None

    # -- jobs: each runs inside `run` --------------------------------------

    def append(self, arrivals: Sequence[Arrival]) -> Stored:
        """Number and store arrivals, in order."""
        self._learn_boot()
        records = self._shelf.append(arrivals)
        return Stored(records=tuple(records), durable=not self.volatile, generation=self.generation)

    def page(self, *, priority: bool, after: int, limit: int) -> list[Record]:
        """Unsettled records behind a position, oldest first."""
        self._write_down()
        records: list[Record] = []
        for shelf in self._shelves():
            if len(records) < limit:
                room = limit - len(records)
                records += upheaval.page(shelf, priority=priority, after=after, limit=room)
        return records

    def fetch(self, numbers: Sequence[Number]) -> list[Record]:
        """Those of the records that are still unsettled."""
        self._write_down()
        return [record for shelf in self._shelves() for record in upheaval.fetch(shelf, numbers)]

    def settle(self, numbers: Sequence[Number]) -> None:
        """Settle single records, where the broker's word is proof.

        While a new ledger is told of all that there is, none is: it goes again afterwards.
        """
        if upheaval.is_resending(self._shelf):
            return
        now = self._settling_time()
        for number in numbers:
            account.settle_one(self._shelf, number, now)

    def obey(self, receipt: Receipt) -> None:
        """Do what a receipt of the right site says.

        What it settles is written down when somebody looks: each receipt by itself would wear the
        card. After a crash such frames are sent once more, and receipted again.
        """
        shelf, before = self._shelf, self.generation
        ledger = shelf.fact("ledger")
        if ledger != receipt.ledger:
            shelf.keep("ledger", receipt.ledger)
            if ledger is not None:
                self._said.clear()
                upheaval.begin_to_resend(shelf, receipt.ledger)
                self.generation += 1
        for entry in receipt.epochs:
            foreign = entry.conflict or entry.upto > shelf.last_seq
            if entry.epoch == shelf.epoch and foreign:
                self._renew(shelf, "conflict" if entry.conflict else "unknown_numbers")
            elif not any(upheaval.is_left(each, entry.epoch) for each in self._shelves()):
                handed = self.handed.get(entry.epoch, 0)
                self.generation += make_way(shelf, entry, self._voice(), handed)
                self._said[entry.epoch] = entry
        if self.generation != before:
            self._write_down()

    def declare_damaged(self, positions: Iterable[int]) -> int:
        """Let records go that nobody can read or send, and say that they are gone; how many."""
        lost = give_up(self._shelf, positions, self._voice())
        if lost:
            self.damaged += lost
            _log.error("records_damaged", path=str(self._path), records=lost)
        return lost

    def _settling_time(self) -> int:
        """Now in microseconds; 0 while nobody knows, which counts from when somebody does."""
        return to_micros(self._clock.now()) if self._dating.synced() else 0

    def _write_down(self) -> bool:
        """Do some of what receipts and new epochs ask for; whether there is more of it."""
        more, reached = upheaval.go_on(
            self._shelf, self._said, self._settling_time(), self._voice(), _SETTLE_STEP
        )
        self.generation += reached
        return more

    def _renew(self, shelf: Shelf, reason: str) -> None:
        upheaval.begin_epoch(shelf, reason)
        self.generation += 1

    def keep(self, key: str, value: str) -> None:
        """Keep a fact beside the records."""
        self._shelf.keep(key, value)

    def fact(self, key: str) -> str | None:
        """A fact that was kept, or None."""
        for shelf in reversed(self._shelves()):
            if (value := shelf.fact(key)) is not None:
                return value
        return None

    def _learn_boot(self) -> None:
        """Keep what the time of day was in this boot, once it is known."""
        offset = self._dating.offsets.get(self._host.boot_id)
        if offset is not None:
            self._shelf.learn_boot(self._host.boot_id, offset)

    def prune(self) -> int:
        """Let some go that is over its time or over the bounds; how many records, 0 at the end."""
        self._learn_boot()
        if self._write_down():
            return _SETTLE_STEP
        moved, shed = self._make_room()
        if self._dating.synced() and not moved + shed:
            now = to_micros(self._clock.now())
            held, oldest = (
                now - round(age * 1_000_000) for age in (self.bounds.hold_s, self.bounds.max_age_s)
            )
            moved = let_go(self._shelf, held, to_micros(FLOOR), now)
            if self._evenness.lasts(now, self._clock.monotonic()):
                shed = shed_old(self._shelf, oldest, self._voice())
        self._tell_shed(shed)
        if self.shedding and self._clock.monotonic() - self._shed_at >= _CALM_S:
            self.shedding = False
            _log.info("outbox_ended_to_shed", path=str(self._path), shed=self.shed)
        return moved + shed or self._mend()

    def _mend(self) -> int:
        """Do a step for what is damaged; how many records, 0 at the end."""
        if self.volatile:
            return 0
        shelf = self._shelf
        lost = self.declare_damaged(shelf.unreadable)
        shelf.unreadable.clear()
        found = straighten(shelf.db)
        brought = salvage(self._path, shelf, self.bounds, self._voice(), self.handed)
        if found or (self.bringing and not brought):
            self.generation += 1  # what was brought lies before what was read
        self.bringing = self.bringing + brought if brought else 0
        return lost + found + brought

    def count(self) -> Counts:
        """How the outbox stands; numbers are those of the present epoch."""
        self._write_down()
        counts = account.count(self._shelf)
        for shelf in self._shelves():
            if shelf is not self._shelf:
                other = account.count(shelf)
                counts = replace(
                    counts, backlog=counts.backlog + other.backlog, held=counts.held + other.held
                )
        return counts
