"""What leaves an outbox that has too much, in which order, and that the account stays whole."""

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from edge.outbox import room
from edge.outbox.outbox import Outbox
from edge.outbox.schema import LOG_SIZE
from edge.record import Record
from khaen.clock import ManualClock, Rung
from khaen.uplink import Kind
from khaen.wire import Heard
from tests.edge.fixtures import BOUNDS, START, make_arrival, make_outbox, make_receipt
from tests.edge.test_forwarder import BACKLOG, bench
from tests.edge.test_outbox import Ledger, declared, drain, payload_of, read_all, settled_of
from tests.support.receipts import cover

MIB = 1 << 20
DAY_S = 86_400.0
PAYLOAD = 1_000


def hear(
    outbox: Outbox, frames: int, *, kind: Kind = Kind.LORAWAN, priority: bool = False
) -> list[Record]:
    """Frames of a kilobyte, in groups as a busy gateway has them."""
    records: list[Record] = []
    for start in range(0, frames, 64):
        arrivals = [
            make_arrival(bytes([priority]) * PAYLOAD, kind=kind, priority=priority)
            for _ in range(min(64, frames - start))
        ]
        records += outbox.run([partial(outbox.append, arrivals)])[0].records
    return records


def keep_house(outbox: Outbox) -> None:
    while outbox.run([outbox.prune])[0]:
        pass


def frames(outbox: Outbox) -> list[Record]:
    return [record for record in read_all(outbox) if record.kind is not Kind.GONE]


def is_shedding(outbox: Outbox) -> bool:
    """Read anew each time, which an attribute looks as if it were not."""
    return outbox.shedding


def fill(outbox: Outbox) -> int:
    return outbox._shelf.fill()


def account(outbox: Outbox) -> tuple[set[int], set[int], int]:
    """Numbers of the present epoch: those that wait, those said to be gone, and the last."""
    waiting = {r.number.seq for r in read_all(outbox) if r.number.epoch == outbox.present}
    gone = {n.seq for n in declared(outbox._shelf, {"shed"}) if n.epoch == outbox.present}
    return waiting, gone, outbox.run([outbox.count])[0].last_seq


def test_receipted_records_leave_when_the_last_quarter_is_needed(tmp_path: Path) -> None:
    bounds = replace(BOUNDS, quota=2 * MIB + LOG_SIZE)
    outbox, ledger = make_outbox(tmp_path / "outbox.sqlite", bounds=bounds), Ledger("one")
    hear(outbox, 900)
    drain(outbox, ledger)
    held = outbox.run([outbox.count])[0].held
    assert held == 900, "while there is room they are held"
    hear(outbox, 900)
    keep_house(outbox)
    assert len(frames(outbox)) == 900, "what has no receipt stays"
    assert fill(outbox) <= 2 * MIB * room.HELD_SHARE
    assert outbox.shed == 0
    outbox.close()


def test_the_oldest_ordinary_frames_are_shed_and_the_account_is_whole(tmp_path: Path) -> None:
    bounds = replace(BOUNDS, quota=MIB + LOG_SIZE)
    outbox = make_outbox(tmp_path / "outbox.sqlite", bounds=bounds)
    calls = hear(outbox, 30, priority=True)
    beats = hear(outbox, 30, kind=Kind.HEARTBEAT)
    hear(outbox, 3_000)
    assert fill(outbox) <= MIB
    assert outbox.shedding
    waiting, gone, last = account(outbox)
    assert not waiting & gone
    assert waiting | gone == set(range(1, last + 1))
    assert {r.number.seq for r in calls} <= waiting, "calls are kept"
    assert {r.number.seq for r in beats} <= gone, "heartbeats go first"
    ordinary = [r.number.seq for r in frames(outbox) if not r.priority]
    assert outbox.shed == 3_060 - 30 - len(ordinary)
    assert min(ordinary) > max(gone & set(range(61, min(ordinary) + 1))), "the oldest went"
    words = [r for r in read_all(outbox) if r.kind is Kind.GONE]
    assert len(words) == 1, "one record says what was shed in many steps"
    ledger = Ledger("one")
    drain(outbox, ledger)
    assert settled_of(ledger, outbox.present) == list(range(1, last + 1))
    outbox.close()


def test_calls_are_shed_only_where_nothing_else_is_left(tmp_path: Path) -> None:
    bounds = replace(BOUNDS, quota=MIB + LOG_SIZE)
    outbox = make_outbox(tmp_path / "outbox.sqlite", bounds=bounds)
    hear(outbox, 300)
    calls = hear(outbox, 2_000, priority=True)
    kept = frames(outbox)
    assert all(record.priority for record in kept)
    assert kept[-1].number == calls[-1].number, "the newest is there"
    assert fill(outbox) <= MIB
    waiting, gone, last = account(outbox)
    assert waiting | gone == set(range(1, last + 1))
    outbox.close()


def test_calls_between_ordinary_frames_make_many_ranges(tmp_path: Path) -> None:
    """What the words themselves cost stays small, and none has more ranges than may be."""
    outbox = make_outbox(tmp_path / "outbox.sqlite", bounds=replace(BOUNDS, quota=MIB + LOG_SIZE))
    arrivals = [make_arrival(bytes(150), priority=i % 2 == 0) for i in range(64)]
    for _ in range(150):
        outbox.run([partial(outbox.append, arrivals)])
    waiting, gone, last = account(outbox)
    assert waiting | gone == set(range(1, last + 1))
    assert not waiting & gone
    words = [r for r in read_all(outbox) if r.kind is Kind.GONE]
    assert words
    assert all(len(json.loads(payload_of(word))["ranges"]) <= 1000 for word in words)
    assert sum(len(word.frame) for word in words) < MIB / 10
    outbox.close()


def test_frames_grow_old_and_calls_do_not(tmp_path: Path) -> None:
    clock = ManualClock(START)
    bounds = replace(BOUNDS, max_age_s=90 * DAY_S)
    outbox = make_outbox(tmp_path / "outbox.sqlite", clock, bounds=bounds)
    old = [make_arrival(b"old %d" % i, at=clock.now()) for i in range(300)]
    undated = make_arrival(b"undated", at=None)
    call = make_arrival(b"call", priority=True, at=clock.now())
    outbox.run([partial(outbox.append, [call, undated, *old])])
    clock.advance(60 * DAY_S)
    young = [make_arrival(b"young", at=clock.now()), make_arrival(b"undated too", at=None)]
    outbox.run([partial(outbox.append, young)])
    keep_house(outbox)
    assert len(frames(outbox)) == 304
    clock.advance(31 * DAY_S)
    keep_house(outbox)
    assert [payload_of(record) for record in frames(outbox)] == [b"call", b"young", b"undated too"]
    waiting, gone, last = account(outbox)
    assert waiting | gone == set(range(1, last + 1))
    assert is_shedding(outbox)
    clock.advance(3_601)
    keep_house(outbox)
    assert not is_shedding(outbox)
    outbox.close()


def test_a_clock_that_jumps_makes_nothing_old(tmp_path: Path) -> None:
    clock = ManualClock(START)
    outbox = make_outbox(tmp_path / "outbox.sqlite", clock)
    hear(outbox, 50)
    keep_house(outbox)
    clock.advance(2 * 3600)
    keep_house(outbox)
    years = timedelta(days=3650)
    clock._start += years
    for _ in range(59):
        keep_house(outbox)
        clock.advance(60)
    clock._start -= years
    for _ in range(120):
        keep_house(outbox)
        clock.advance(60)
    assert outbox.shed == 0
    outbox.close()


def test_only_a_synchronised_clock_says_that_a_frame_is_old(tmp_path: Path) -> None:
    """A packet forwarder that takes its host's unset clock for the satellites'."""
    clock = ManualClock(START)
    outbox = make_outbox(tmp_path / "outbox.sqlite", clock)
    undated = make_arrival(at=None)
    long_ago = make_arrival(at=START - timedelta(days=900))
    satellite = replace(long_ago, instant=replace(long_ago.instant, clock=Rung.GPS))
    young = make_arrival(at=START)
    outbox.run([partial(outbox.append, [undated, undated, satellite, young, long_ago])])
    for _ in range(3):
        keep_house(outbox)
        clock.advance(2 * 3600)
    assert outbox.shed == 0
    outbox.close()


def test_the_file_does_not_grow_into_what_must_stay_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system has 2 MiB more than the log and what is to stay free."""
    path = tmp_path / "outbox.sqlite"
    log = path.with_name(path.name + "-wal")
    monkeypatch.setattr(room, "LEAST", MIB + LOG_SIZE)
    outbox = make_outbox(path, bounds=replace(BOUNDS, keep_free=100 * MIB))
    true, begun = os.statvfs(tmp_path), path.stat().st_size

    def statvfs(_path: Path) -> os.statvfs_result:
        fields = list(true)
        left = 102 * MIB + LOG_SIZE - (path.stat().st_size - begun) - log.stat().st_size
        fields[4] = left // true.f_frsize  # f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", statvfs)
    hear(outbox, 4_000)
    assert 1.5 * MIB < path.stat().st_size - begun <= 2.2 * MIB, "2 MiB and a group of frames"
    assert log.stat().st_size <= LOG_SIZE, "and with its log it leaves free what must stay so"
    assert outbox.shedding
    assert not outbox.volatile
    outbox.close()


# -- the forwarder -----------------------------------------------------------


def committed(sent: Iterable[Heard]) -> set[int]:
    """Numbers that are settled once all of this has come."""
    settled: set[int] = set()
    for heard in sent:
        assert heard.number is not None
        settled.add(heard.number.seq)
        if heard.kind is Kind.GONE:
            for first, last in json.loads(heard.payload)["ranges"]:
                settled |= set(range(first, last + 1))
    return settled


async def test_what_was_shed_on_its_way_does_not_choke_the_forwarder(tmp_path: Path) -> None:
    async with bench(tmp_path, backlog_window=16) as b:
        outbox = b.writer.outbox
        outbox.bounds = replace(BOUNDS, quota=MIB + LOG_SIZE)
        payload = bytes(PAYLOAD)
        await b.hear(*(make_arrival(payload) for _ in range(64)))
        b.clock.advance(10)
        b.forwarder.connect()
        await b.pass_time(1)
        assert len(b.link.seqs(BACKLOG)) == 12, "a quarter of the window is kept for calls"
        for _ in range(20):
            await b.hear(*(make_arrival(payload) for _ in range(64)))
            b.answer()
        assert outbox.shed > 500
        settled: set[int] = set()
        for _ in range(1_000):
            await b.pass_time(1)
            settled = committed(heard for _, heard, _ in b.link.sent if heard.kind is Kind.GONE)
            settled |= set(b.link.seqs(BACKLOG))  # what went live was lost on its way
            whole = next(seq for seq in count(1) if seq not in settled) - 1
            above = sorted(seq for seq in settled if seq > whole)
            entry = cover(outbox.present, whole, above, conflict=False)
            await b.receive(make_receipt(entry))
            if not (await b.writer.submit(outbox.count)).backlog:
                break
        last = (await b.writer.submit(outbox.count)).last_seq
        assert settled == set(range(1, last + 1))


# -- files of older agents ----------------------------------------------------

OLD_SCHEMA = """
CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL);
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, offset_us INTEGER);
CREATE TABLE record (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, priority INTEGER NOT NULL, origin TEXT NOT NULL, device TEXT, topic TEXT,
    clock TEXT, heard_at INTEGER, boot INTEGER NOT NULL, boot_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, settled_at INTEGER, frame BLOB NOT NULL);
CREATE UNIQUE INDEX record_open ON record (epoch, seq) WHERE settled_at IS NULL;
CREATE INDEX record_next ON record (priority, id) WHERE settled_at IS NULL;
CREATE INDEX record_settled ON record (settled_at) WHERE settled_at IS NOT NULL;
"""


def test_a_file_of_an_older_agent_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(OLD_SCHEMA)
    db.execute("INSERT INTO fact VALUES ('machine_id', ?), ('position', '41')", ("a" * 32,))
    db.execute("INSERT INTO epoch VALUES (1, 'aaaabbbbccccdddd', 41)")
    db.execute("INSERT INTO boot VALUES (1, 'boot', NULL)")
    old = make_arrival(b"of the older agent").frame
    db.execute(
        "INSERT INTO record VALUES (41, 1, 41, 'lorawan', 0, 'radio', NULL, NULL, NULL, NULL, 1, 5,"
        " 2, NULL, ?)",
        (old,),
    )
    db.commit()
    db.close()
    outbox = make_outbox(path)
    assert not outbox.volatile
    (new,) = hear(outbox, 1)
    assert (new.number.epoch, new.number.seq) == ("aaaabbbbccccdddd", 42)
    assert payload_of(read_all(outbox)[0]) == b"of the older agent"
    outbox.close()


# -- the last number ----------------------------------------------------------


def numbers_of(records: Sequence[Record]) -> list[int]:
    return [record.number.seq for record in records]


def test_the_last_number_outlives_the_records_that_had_it(tmp_path: Path) -> None:
    clock, path = ManualClock(START), tmp_path / "outbox.sqlite"
    outbox, ledger = make_outbox(path, clock), Ledger("one")
    assert numbers_of(hear(outbox, 5)) == [1, 2, 3, 4, 5]
    drain(outbox, ledger)
    clock.advance(3 * DAY_S)
    keep_house(outbox)
    assert outbox.run([outbox.count])[0].held == 0
    outbox.close()
    outbox = make_outbox(path, clock)
    assert numbers_of(hear(outbox, 2)) == [6, 7]
    outbox.close()
    outbox = make_outbox(path, clock)
    assert numbers_of(hear(outbox, 1)) == [8]
    outbox.close()


@pytest.mark.parametrize(
    ("whole", "flipped"),
    [
        (b'"reason"', b'"rdason"'),
        (b'"ranges"', b'"rangeq"'),
        (b"[[3,3]]", b"[[3.3]]"),
        (b"[[3,3]]", b"[[3,7]]"),
        (b"[[3,3]]", b"[[7,3]]"),
        (b"[[3,3]]", b'[[3,"]]'),
    ],
)
def test_a_word_in_which_a_bit_is_flipped_stays_as_it_is(
    tmp_path: Path, whole: bytes, flipped: bytes
) -> None:
    outbox = make_outbox(tmp_path / "outbox.sqlite")
    hear(outbox, 5)
    outbox.run([partial(outbox.declare_damaged, [3])])
    db = outbox._shelf.db
    frame = db.execute("SELECT frame FROM record WHERE kind = 'gone'").fetchone()[0]
    assert whole in frame
    damaged = frame.replace(whole, flipped)
    db.execute("UPDATE record SET frame = ? WHERE kind = 'gone'", (damaged,))
    outbox.run([partial(outbox.declare_damaged, [5])])
    said = db.execute("SELECT frame FROM record WHERE kind = 'gone' ORDER BY id").fetchall()
    assert [damaged] == [frame for (frame,) in said[:-1]]
    assert b"[[5,5]]" in said[-1][0]
    outbox.close()


def test_old_damaged_files_are_deleted(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.sqlite", ManualClock(START)
    for life in range(5):
        path.write_bytes(b"no database %d" % life * 1000)
        outbox = make_outbox(path, clock)
        assert not outbox.volatile
        outbox.close()
        clock.advance(60)
    aside = sorted(file for file in tmp_path.iterdir() if ".damaged-" in file.name)
    assert len(aside) == 2
    assert [file.read_bytes()[12:13] for file in aside] == [b"3", b"4"]
