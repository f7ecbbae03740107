"""The outbox against a model of ingest: what was acknowledged is committed, whatever happens."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from chirpstack_api import gw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.outbox import outbox as outboxes
from edge.outbox import room
from edge.outbox.account import Voice
from edge.outbox.bounds import Bounds
from edge.outbox.outbox import Outbox
from edge.outbox.schema import LOG_SIZE
from edge.outbox.shelf import Shelf
from edge.outbox.upheaval import is_renumbering, is_resending
from edge.record import Record
from khaen.clock import ManualClock
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Kind, Number
from tests.edge.disk import full_disk
from tests.edge.fixtures import BOUNDS, START, FakeHost, make_arrival, make_outbox, make_receipt
from tests.support.receipts import cover


def read_all(outbox: Outbox) -> list[Record]:
    """All that is unsettled, as the forwarder reads it: page by page, priority first."""
    found: list[Record] = []
    for priority in (True, False):
        after = 0
        while page := outbox.run([partial(outbox.page, priority=priority, after=after, limit=3)])[
            0
        ]:
            found += page
            after = page[-1].position
    return found


def payload_of(record: Record) -> bytes:
    return bytes(gw.UplinkFrame.FromString(record.frame).phy_payload)


class Ledger:
    """Ingest as far as an agent can see it: what is settled in each epoch, and by which bytes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.committed: dict[Number, bytes] = {}
        self.gone: set[Number] = set()
        self.conflicts: set[str] = set()

    def take(self, record: Record) -> None:
        payload = payload_of(record)
        known = self.committed.get(record.number)
        if known is not None and known != payload:
            self.conflicts.add(record.number.epoch)
            return
        self.committed[record.number] = payload
        if record.kind is Kind.GONE:
            for first, last in json.loads(payload)["ranges"]:
                self.gone.update(
                    Number(epoch=record.number.epoch, seq=seq) for seq in range(first, last + 1)
                )

    def answer(self) -> Receipt:
        settled = sorted({*self.committed, *self.gone}, key=lambda n: (n.epoch, n.seq))
        epochs = dict.fromkeys(number.epoch for number in settled)
        return make_receipt(
            *(
                cover(
                    epoch,
                    0,
                    (number.seq for number in settled if number.epoch == epoch),
                    conflict=epoch in self.conflicts,
                )
                for epoch in epochs
            ),
            ledger=self.name,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What stood under a number."""

    payload: bytes
    kind: Kind
    priority: bool


class Witness:
    """Sees every step in which room is made, and that it keeps to the order."""

    def __init__(self) -> None:
        self.names: dict[Number, Seen] = {}
        self.released = 0

    def note(self, shelf: Shelf) -> dict[Number, Seen]:
        """What waits on a shelf."""
        waiting = {
            record.number: Seen(payload_of(record), record.kind, record.priority)
            for record in shelf.every()
        }
        self.names.update(waiting)
        return waiting

    def make_room(self, shelf: Shelf, bounds: Bounds, voice: Voice, step: int) -> tuple[int, int]:
        before = self.note(shelf)
        released, shed = room.make_room(shelf, bounds, voice, step)
        after = self.note(shelf)
        self.released += released
        lost = {number: seen for number, seen in before.items() if number not in after}
        frames = [seen for seen in lost.values() if seen.kind is not Kind.GONE]
        assert len(frames) == shed
        ranks = {_rank(seen) for seen in frames}
        last = max(ranks, default=0)
        kept = [seen for number, seen in before.items() if number in after]
        assert all(_rank(seen) >= last for seen in kept), "what comes last leaves last"
        assert set(lost) <= declared(shelf, {"shed"}), "what is shed is said to be gone"
        return released, shed


def _rank(seen: Seen) -> int:
    """Who leaves first."""
    if seen.kind is Kind.GONE:
        return 3
    return 0 if seen.kind is Kind.HEARTBEAT else 1 + seen.priority


def declared(shelf: Shelf, reasons: set[str]) -> set[Number]:
    """Numbers that records on a shelf declare gone."""
    return {
        Number(epoch=record.number.epoch, seq=seq)
        for record in shelf.every()
        if record.kind is Kind.GONE
        for body in [json.loads(payload_of(record))]
        if body["reason"] in reasons
        for first, last in body["ranges"]
        for seq in range(first, last + 1)
    }


def is_in_between(outbox: Outbox) -> bool:
    """Whether a receipt, a new ledger or a new epoch has steps left."""
    return bool(outbox._said) or any(
        is_resending(shelf) or is_renumbering(shelf) for shelf in outbox._shelves()
    )


def refuse(shelf: Shelf) -> None:
    """A commit on a disk that is full; memory takes it."""
    if not shelf.volatile:
        shelf.db.execute("ROLLBACK")  # as SQLite does by itself then
        raise sqlite3.OperationalError("database or disk is full")
    shelf.db.execute("COMMIT")


_PAGES = 4096
_KINDS = {
    "frame": (Kind.LORAWAN, False),
    "call": (Kind.LORAWAN, True),
    "heartbeat": (Kind.HEARTBEAT, False),
}


class OutboxMachine(RuleBasedStateMachine):
    """Frames, receipts, crashes, clones, restored ledgers, want of room and a disk that refuses, in
    any order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.clock = ManualClock(START)
        self.host = FakeHost(clock=self.clock)
        self.ledger = Ledger("ledger-0")
        self.acknowledged: set[bytes] = set()
        self.committed_ever: set[bytes] = set()
        self.given: dict[Number, bytes] = {}
        self.heard = self.lives = 0
        self.patch = pytest.MonkeyPatch()
        self.witness = Witness()
        self.patch.setattr(outboxes, "make_room", self.witness.make_room)
        self.patch.setattr(outboxes, "STEP", 3)
        self.patch.setattr(outboxes, "_SETTLE_STEP", 2)
        self.bounds = replace(BOUNDS, max_age_s=7 * 86_400)
        self.outbox = self._open("outbox-0.sqlite")

    def _open(self, name: str) -> Outbox:
        self.path = self.folder / name
        return make_outbox(self.path, self.clock, self.host, self.bounds)

    def teardown(self) -> None:
        self.outbox.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    @initialize()
    def say_who_is_there(self) -> None:
        self.outbox.run([partial(self.outbox.obey, self.ledger.answer())])

    # -- what happens -------------------------------------------------------

    @rule(
        kinds=st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=4),
        groups=st.integers(1, 2),
        size=st.sampled_from([10, 3000]),
    )
    def hear(self, kinds: list[str], groups: int, size: int) -> None:
        jobs = []
        for _ in range(groups):
            arrivals = []
            for name in kinds:
                self.heard += 1
                kind, priority = _KINDS[name]
                payload = f"{name} {self.heard} ".encode().ljust(size, b".")
                arrivals.append(
                    make_arrival(payload, kind=kind, priority=priority, at=self.clock.now())
                )
            jobs.append(partial(self.outbox.append, arrivals))
        for stored in self.outbox.run(jobs):
            assert stored.durable is not self.outbox.volatile
            for record in stored.records:
                assert record.number not in self.given, "a number was given twice"
                self.given[record.number] = payload_of(record)
                if stored.durable:
                    self.acknowledged.add(payload_of(record))

    @rule(kinds=st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=4))
    def hear_while_the_disk_refuses(self, kinds: list[str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Shelf, "commit", refuse)
            self.hear(kinds, 1, 10)
        assert self.outbox.volatile

    @rule(pages=st.integers(15, 40))
    def bound(self, pages: int) -> None:
        """So many pages may be filled from now on; the tables alone take eleven."""
        self.bounds = self.outbox.bounds = replace(self.bounds, quota=pages * _PAGES + LOG_SIZE)

    @rule(data=st.data())
    def commit_some(self, data: st.DataObject) -> None:
        for record in read_all(self.outbox):
            if data.draw(st.booleans()):
                self.ledger.take(record)
        self.committed_ever |= set(self.ledger.committed.values())

    @rule()
    def receive_receipt(self) -> None:
        self.outbox.run([partial(self.outbox.obey, self.ledger.answer())])

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self._open(self.path.name)

    @rule(half_done=st.booleans())
    def kill(self, half_done: bool) -> None:
        """What SIGKILL leaves: the files as they are, whatever the process was about to do."""
        shelf = self.outbox._shelf
        if half_done:
            shelf.begin()
            shelf.append([make_arrival(b"never acknowledged")] * 3)
        self.lives += 1
        name = f"outbox-{self.lives}.sqlite"
        for suffix in ("", "-wal"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                shutil.copy(file, self.folder / (name + suffix))
        shelf.rollback()
        self.outbox.close()
        self.outbox = self._open(name)

    @rule()
    def move_to_another_machine(self) -> None:
        self.outbox.close()
        self.host = replace(self.host, machine_id=self.host.machine_id[::-1] + "b")
        self.outbox = self._open(self.path.name)

    @rule()
    def meet_a_clone(self) -> None:
        """Another card used our next number for other bytes, and was faster."""
        last = self.outbox.run([self.outbox.count])[0]
        number = Number(epoch=last.epoch, seq=last.last_seq + 1)
        conflict = EpochReceipt(
            epoch=last.epoch,
            watermark=0,
            upto=number.seq,
            missing=((1, last.last_seq),) if last.last_seq else (),
            conflict=True,
        )
        self.outbox.run(
            [partial(self.outbox.obey, make_receipt(conflict, ledger=self.ledger.name))]
        )

    @rule(keep=st.booleans())
    def restore_ledger(self, keep: bool) -> None:
        """A backup comes back, under a new name: it knows some of what was settled, or nothing."""
        old, self.ledger = self.ledger, Ledger(f"{self.ledger.name}+")
        if keep:
            self.ledger.committed = dict(list(old.committed.items())[: len(old.committed) // 2])
        self.outbox.run([partial(self.outbox.obey, self.ledger.answer())])

    @rule(hours=st.sampled_from([0.5, 24 * 4]))
    def let_time_pass(self, hours: float) -> None:
        self.clock.advance(hours * 3600)
        while self.outbox.run([self.outbox.prune])[0]:
            pass

    # -- what always holds --------------------------------------------------

    @invariant()
    def every_number_is_accounted_for(self) -> None:
        """Up to its last number, each epoch's numbers are held, settled, or declared gone."""
        known = {entry.epoch: entry for entry in self.ledger.answer().epochs}
        for shelf in self.outbox._shelves():
            waiting = set(self.witness.note(shelf))
            gone = declared(shelf, {"shed", "released", "damaged"})
            assert not waiting & gone, "what waits cannot be gone"
            if shelf.fact("ledger") != self.ledger.name or is_resending(shelf):
                continue  # a disk that refuses does not hear of a new ledger until it takes again
            for row, epoch, last in shelf.epochs():
                held = {
                    seq
                    for (seq,) in shelf.db.execute("SELECT seq FROM record WHERE epoch = ?", (row,))
                }
                assert not held or max(held) <= last
                entry = known.get(epoch)
                for seq in set(range(1, last + 1)) - held:
                    assert Number(epoch=epoch, seq=seq) in gone or (
                        entry is not None and entry.settles(seq)
                    ), f"{epoch} {seq} of {last} is in nobody's account"

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        """What is neither in the ledger that is nor here was shed, and is said to be gone; or it
        was receipted once, and its time was over, or its place needed.
        """
        held: set[bytes] = set()
        gone = set(self.ledger.gone)
        for shelf in self.outbox._shelves():
            gone |= declared(shelf, {"shed"})
            held |= {
                bytes(gw.UplinkFrame.FromString(frame).phy_payload)
                for (frame,) in shelf.db.execute("SELECT frame FROM record")
            }
        shed = {seen.payload for number, seen in self.witness.names.items() if number in gone}
        lost = self.acknowledged - held - set(self.ledger.committed.values()) - shed
        time_over = self.clock.monotonic() >= self.bounds.hold_s
        assert not lost or ((time_over or self.witness.released) and lost <= self.committed_ever)

    @rule()
    def keep_house(self) -> None:
        """Every step that is left: afterwards nothing is in between."""
        while self.outbox.run([self.outbox.prune])[0]:
            pass
        assert self.outbox.volatile or not is_in_between(self.outbox)

    @invariant()
    def counts_agree(self) -> None:
        counts = self.outbox.run([self.outbox.count])[0]
        if not is_in_between(self.outbox):
            records = read_all(self.outbox)
            assert counts.backlog == len(records)
            waiting = {seq for first, last in counts.waiting for seq in range(first, last + 1)}
            assert waiting == {r.number.seq for r in records if r.number.epoch == counts.epoch}
        for shelf in self.outbox._shelves():
            rows = shelf.db.execute("SELECT settled_at IS NULL, count(*) FROM record GROUP BY 1")
            by_state = dict(rows.fetchall())
            assert (shelf.unsettled, shelf.settled) == (by_state.get(1, 0), by_state.get(0, 0))


OutboxMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestOutbox = OutboxMachine.TestCase


def drain(outbox: Outbox, ledger: Ledger) -> None:
    """Send and receipt until nothing is left."""
    for _ in range(10):
        records = read_all(outbox)
        if not records:
            return
        for record in records:
            epoch, seq = record.number.epoch, record.number.seq
            outbox.handed[epoch] = max(seq, outbox.handed.get(epoch, 0))
            ledger.take(record)
        outbox.run([partial(outbox.obey, ledger.answer())])
    raise AssertionError("the backlog never ends")


def settled_of(ledger: Ledger, epoch: str) -> list[int]:
    return sorted({n.seq for n in (*ledger.committed, *ledger.gone) if n.epoch == epoch})


def hear(outbox: Outbox, payloads: Iterable[bytes]) -> tuple[Record, ...]:
    return outbox.run([partial(outbox.append, [make_arrival(payload) for payload in payloads])])[
        0
    ].records


def test_a_cloned_card_renumbers_and_every_epoch_is_whole(tmp_path: Path) -> None:
    outbox, ledger = make_outbox(tmp_path / "outbox.sqlite"), Ledger("one")
    outbox.run([partial(outbox.obey, ledger.answer())])
    first = hear(outbox, [b"a", b"b", b"c"])
    ledger.take(first[0])
    ledger.committed[first[1].number] = b"bytes of the clone"
    ledger.take(first[1])  # the other card was faster: a conflict
    outbox.run([partial(outbox.obey, ledger.answer())])
    old, new = first[0].number.epoch, outbox.present
    assert new != old
    drain(outbox, ledger)
    assert settled_of(ledger, old) == [1, 2, 3, 4], "three frames and the record that says so"
    assert settled_of(ledger, new) == [1, 2, 3]
    assert {b"a", b"b", b"c"} <= set(ledger.committed.values())
    outbox.close()


def test_numbers_that_this_file_never_gave_mean_that_it_was_restored(tmp_path: Path) -> None:
    """An old image of the card: ingest has settled numbers that the file has yet to give."""
    outbox = make_outbox(tmp_path / "outbox.sqlite")
    (record,) = hear(outbox, [b"heard after the restore"])
    older_life = EpochReceipt(epoch=record.number.epoch, watermark=500, upto=500)
    outbox.run([partial(outbox.obey, make_receipt(older_life))])
    assert outbox.present != record.number.epoch
    waiting = read_all(outbox)
    assert b"heard after the restore" in {payload_of(r) for r in waiting}
    outbox.close()


def test_a_restored_ledger_gets_all_that_is_held_and_the_word_gone_for_the_rest(
    tmp_path: Path,
) -> None:
    clock = ManualClock(START)
    outbox, ledger = make_outbox(tmp_path / "outbox.sqlite", clock), Ledger("one")
    outbox.run([partial(outbox.obey, ledger.answer())])
    hear(outbox, [b"old 1", b"old 2"])
    drain(outbox, ledger)
    clock.advance(3600 + 601)  # what goes is gathered for ten minutes
    outbox.run([outbox.prune])
    hear(outbox, [b"new 1", b"new 2"])
    drain(outbox, ledger)
    assert not read_all(outbox)
    restored = Ledger("two")
    outbox.run([partial(outbox.obey, restored.answer())])
    drain(outbox, restored)
    assert settled_of(restored, outbox.present) == [1, 2, 3, 4, 5]
    assert {n.seq for n in restored.gone} == {1, 2}
    assert {b"new 1", b"new 2"} <= set(restored.committed.values())
    outbox.close()


def restart(outbox: Outbox, path: Path) -> Outbox:
    """As after SIGKILL between two transactions."""
    for shelf in outbox._shelves():
        shelf.close()
    return make_outbox(path)


def test_a_new_ledger_is_told_of_everything_in_steps_and_calls_come_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "_SETTLE_STEP", 10)
    path = tmp_path / "outbox.sqlite"
    outbox, restored = make_outbox(path), Ledger("two")
    payloads = [b"%d" % i for i in range(100)]
    numbers = [record.number for record in hear(outbox, payloads)]
    outbox.run([partial(outbox.obey, Ledger("one").answer())])
    said = cover(outbox.present, 100, (), conflict=False)
    outbox.run([partial(outbox.obey, make_receipt(said, ledger="one"))])
    while outbox.run([outbox.prune])[0]:
        pass
    forgotten = [20, 21, 95]
    shelf = outbox._shelf
    shelf.begin()
    shelf.forget(forgotten, settled=True)
    shelf.commit()

    outbox.run([partial(outbox.obey, restored.answer())])
    held = outbox._shelf.settled
    assert held >= 80, "a receipt costs a step, however much is held"
    lives = 0
    while is_in_between(outbox):
        (stored,) = outbox.run(
            [partial(outbox.append, [make_arrival(b"call %d" % lives, priority=True)])]
        )
        assert stored.durable
        lives += 1
        outbox = restart(outbox, path)  # its first look at itself is one more step
        assert held - outbox._shelf.settled <= 10
        held = outbox._shelf.settled
    assert lives >= 10
    drain(outbox, restored)
    last = outbox.run([outbox.count])[0].last_seq
    assert settled_of(restored, outbox.present) == list(range(1, last + 1))
    assert {n.seq for n in restored.gone} == set(forgotten)
    assert {number.seq for number in numbers} - {n.seq for n in restored.committed} == set(
        forgotten
    )
    outbox.close()


def test_a_cloned_card_is_renumbered_in_steps_calls_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "_SETTLE_STEP", 10)
    path = tmp_path / "outbox.sqlite"
    outbox, ledger = make_outbox(path), Ledger("one")
    outbox.run([partial(outbox.obey, ledger.answer())])
    arrivals = [make_arrival(b"%d" % i, priority=i % 25 == 24) for i in range(100)]
    records = outbox.run([partial(outbox.append, arrivals)])[0].records
    old = outbox.present
    ledger.committed = {record.number: b"of the clone" for record in records[:50]}
    clone = cover(old, 50, (), conflict=True)
    outbox.run([partial(outbox.obey, make_receipt(clone, ledger="one"))])
    assert outbox.present != old
    steps = 0
    while is_in_between(outbox):
        steps += 1
        hear(outbox, [b"heard meanwhile %d" % steps])
        clone = cover(old, 100, (), conflict=True)
        outbox.run([partial(outbox.obey, make_receipt(clone, ledger="one"))])
        calls, others = (
            outbox.run([partial(outbox.page, priority=first, after=0, limit=200)])[0]
            for first in (True, False)
        )
        assert all(r.number.epoch != old or r.kind is Kind.GONE for r in (*calls, *others))
        assert len(calls) == 4, "which come first"
        assert outbox.run([partial(outbox.fetch, [r.number for r in records])]) == [[]]
        outbox = restart(outbox, path)
    assert steps > 1
    drain(outbox, ledger)
    committed = set(ledger.committed.values())
    assert {b"%d" % i for i in range(100)} <= committed
    assert {b"heard meanwhile %d" % (i + 1) for i in range(steps)} <= committed
    last = outbox.run([outbox.count])[0].last_seq
    assert settled_of(ledger, outbox.present) == list(range(1, last + 1))
    assert len(settled_of(ledger, old)) > 100
    outbox.close()


def test_a_new_ledger_needs_no_room_for_a_second_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    outbox.run([partial(outbox.obey, Ledger("one").answer())])
    for _ in range(10):
        hear(outbox, [bytes(1000)] * 1000)
    said = cover(outbox.present, 10_000, (), conflict=False)
    outbox.run([partial(outbox.obey, make_receipt(said, ledger="one"))])
    while outbox.run([outbox.prune])[0]:
        pass
    with full_disk(path.stat().st_size + (1 << 20)):  # as much for the file as for its log
        outbox.run([partial(outbox.obey, Ledger("two").answer())])
        while outbox.run([outbox.prune])[0]:
            pass
        assert not outbox.volatile
        assert outbox.run([outbox.count])[0].backlog == 10_000
    assert path.with_name(path.name + "-wal").stat().st_size < 2 * LOG_SIZE
    outbox.close()


def test_waiting_ends_with_the_64th_range_which_stands_for_the_rest(tmp_path: Path) -> None:
    outbox = make_outbox(tmp_path / "outbox.sqlite")
    records = hear(outbox, [b"%d" % i for i in range(200)])
    outbox.run([partial(outbox.settle, [r.number for r in records if r.number.seq % 2 == 0])])
    waiting = outbox.run([outbox.count])[0].waiting
    assert len(waiting) == 64
    assert waiting[:2] == ((1, 1), (3, 3))
    assert waiting[-1] == (127, 200)
    outbox.close()


@pytest.mark.parametrize("priority", [-1, 3, 1 << 40])
def test_a_frame_whose_priority_a_card_has_changed_is_sent_all_the_same(
    tmp_path: Path, priority: int
) -> None:
    outbox = make_outbox(tmp_path / "outbox.sqlite")
    outbox.run([partial(outbox.append, [make_arrival(), make_arrival(priority=True)])])
    read_all(outbox)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as db, db:
        db.execute("UPDATE record SET priority = ? WHERE id = 1", (priority,))
    before = outbox.generation
    while outbox.run([outbox.prune])[0]:
        pass
    assert [record.number.seq for record in read_all(outbox)] == [1, 2]
    assert outbox.generation == before + 1, "whoever has read past it reads again"
    outbox.close()
