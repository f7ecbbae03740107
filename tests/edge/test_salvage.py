"""Damaged outboxes: what can be read of them comes, however often the process ends meanwhile."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from edge.outbox import aside, salvage, upheaval
from edge.outbox.outbox import Outbox
from edge.outbox.schema import LOG_SIZE
from edge.record import Record
from khaen.clock import ManualClock
from khaen.ids import Epoch
from khaen.receipt import EpochReceipt
from khaen.uplink import Kind
from tests.edge.agent import REPOSITORY
from tests.edge.disk import full_disk
from tests.edge.fixtures import BOUNDS, START, make_arrival, make_outbox, make_receipt
from tests.edge.test_forwarder import bench
from tests.edge.test_outbox import Ledger, drain, payload_of, read_all, settled_of
from tests.edge.test_refusing_disk import RETRY_S, is_volatile

PAGE = 4096
FRAMES = 2000


def fill(path: Path, count: int = FRAMES) -> Epoch:
    """An outbox of so many frames, closed; its epoch."""
    outbox = make_outbox(path)
    arrivals = [make_arrival(payload(number)) for number in range(1, count + 1)]
    outbox.run([partial(outbox.append, arrivals)])
    epoch = outbox.present
    outbox.close()
    return epoch


def payload(number: int) -> bytes:
    return b"\x40%05d" % number + b"x" * 150


def ruin(path: Path, mark: bytes) -> int:
    """Overwrite the page in which these bytes lie first; how many frames it had."""
    content = path.read_bytes()
    start = content.index(mark) // PAGE * PAGE
    lost = content[start : start + PAGE].count(b"x" * 150)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\x55" * PAGE)
    return lost


def keep_house(outbox: Outbox) -> None:
    while outbox.run([outbox.prune])[0]:
        pass


def frames(outbox: Outbox) -> list[bytes]:
    return [payload_of(record) for record in read_all(outbox) if record.kind is not Kind.GONE]


def words(outbox: Outbox, epoch: Epoch) -> dict[int, tuple[str, list[list[int]]]]:
    """What is said to be gone of an epoch, by the number under which it is said."""
    said: dict[int, tuple[str, list[list[int]]]] = {}
    for record in read_all(outbox):
        if record.kind is Kind.GONE and record.number.epoch == epoch:
            body = json.loads(payload_of(record))
            said[record.number.seq] = body["reason"], body["ranges"]
    return said


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvage, "STEP", 100)
    monkeypatch.setattr(salvage, "_MOMENT_S", 0.0)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("life", [1, 3])
def test_a_process_that_ends_again_and_again_loses_nothing_more(tmp_path: Path, life: int) -> None:
    """Each process lives for some steps, and ends in the middle of one."""
    path, ledger = tmp_path / "outbox.sqlite", Ledger("one")
    old = fill(path)
    lost = ruin(path, payload(500)) + ruin(path, payload(1500))
    first = make_outbox(path)
    read_all(first)
    for _ in range(10):
        outbox = make_outbox(path)
        for _ in range(life):
            outbox.run([outbox.prune])
        shelf = outbox._shelf
        shelf.begin()
        salvage.salvage(path, shelf, BOUNDS, outbox._voice(), {})
        shelf.db.execute("ROLLBACK")  # as the next process finds it
        outbox.close()
    outbox = make_outbox(path)
    keep_house(outbox)
    saved = frames(outbox)
    assert saved == sorted(set(saved)), "each once, in the order in which it was heard"
    assert len(saved) == FRAMES - lost
    drain(outbox, ledger)
    assert settled_of(ledger, old) == list(range(1, max(settled_of(ledger, old)) + 1))
    assert settled_of(ledger, outbox.present) == list(range(1, len(saved) + 1))
    outbox.close()


def test_real_kills(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path)
    lost = ruin(path, payload(500)) + ruin(path, payload(1500))
    for steps in (1, 7, 12):
        command = [sys.executable, "-m", "tests.edge.salvaging", str(path)]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(steps):
                assert process.stdout.readline()
            process.kill()
    outbox = make_outbox(path)
    assert frames(outbox), "what was brought is there at once"
    assert len(frames(outbox)) < FRAMES - lost
    keep_house(outbox)
    assert len(frames(outbox)) == len(set(frames(outbox))) == FRAMES - lost
    outbox.close()


@pytest.mark.usefixtures("small_steps")
def test_what_is_heard_meanwhile_comes_behind_and_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path)
    ruin(path, payload(500))
    outbox = make_outbox(path)
    read_all(outbox)
    given: list[int] = []
    for number in range(1, 4):
        outbox.run([outbox.prune])
        stored = outbox.run([partial(outbox.append, [make_arrival(b"new %d" % number)])])[0]
        given += [record.number.seq for record in stored.records]
        outbox.close()
        outbox = make_outbox(path)
    generation = outbox.generation
    keep_house(outbox)
    assert outbox.generation > generation, "the backlog is read from its beginning"
    assert frames(outbox)[-3:] == [b"new 1", b"new 2", b"new 3"]
    numbers = [r.number.seq for r in read_all(outbox) if r.number.epoch == outbox.present]
    assert sorted(numbers) == list(range(1, len(numbers) + 1)), "none was given twice"
    assert set(given) <= set(numbers)
    outbox.close()


@pytest.mark.usefixtures("small_steps")
def test_a_new_file_that_is_damaged_before_the_old_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path)
    lost = ruin(path, payload(500))
    outbox = make_outbox(path)
    read_all(outbox)
    for _ in range(8):
        outbox.run([outbox.prune])
    outbox.close()
    lost += ruin(path, payload(300))
    outbox = make_outbox(path)
    read_all(outbox)
    outbox.close()
    os.utime(path)
    outbox = make_outbox(path)
    keep_house(outbox)
    saved = frames(outbox)
    assert len(saved) == len(set(saved)) == FRAMES - lost
    outbox.close()


@pytest.mark.usefixtures("small_steps")
def test_it_waits_for_room(tmp_path: Path) -> None:
    """What is saved fills the new file, and goes on once that was receipted: nothing is shed."""
    path, ledger = tmp_path / "outbox.sqlite", Ledger("one")
    fill(path)
    lost = ruin(path, payload(500))
    bounds = replace(BOUNDS, quota=60 * PAGE + LOG_SIZE)
    outbox = make_outbox(path, bounds=bounds)
    outbox.run([partial(outbox.obey, ledger.answer())])
    read_all(outbox)
    rounds = 0
    while len(ledger.committed) < FRAMES - lost and rounds < 50:
        rounds += 1
        keep_house(outbox)
        for record in read_all(outbox):
            ledger.take(record)
        outbox.run([partial(outbox.obey, ledger.answer())])
    sent = {told for told in ledger.committed.values() if told.startswith(b"@")}
    assert len(sent) == FRAMES - lost
    assert rounds > 2
    assert outbox.shed == 0
    outbox.close()


def test_damage_that_is_found_on_a_full_disk(tmp_path: Path) -> None:
    """There is no room for a new file; once there is, the old one is read."""
    path, clock = tmp_path / "outbox.sqlite", ManualClock(START)
    fill(path)
    lost = ruin(path, payload(500))
    with full_disk(PAGE):
        outbox = make_outbox(path, clock)
        read_all(outbox)
        assert is_volatile(outbox)
    for _ in range(2):  # the damage shows, and is replaced; then it takes again
        clock.advance(RETRY_S)
        keep_house(outbox)
    assert not is_volatile(outbox)
    assert len(frames(outbox)) == FRAMES - lost
    outbox.close()


def test_a_crash_between_the_renames(tmp_path: Path) -> None:
    """The log is not torn from its file."""
    path, crashed = tmp_path / "outbox.sqlite", tmp_path / "crashed"
    crashed.mkdir()
    outbox = make_outbox(path)
    outbox.run([partial(outbox.append, [make_arrival(payload(n)) for n in range(100)])])
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(path.with_name(path.name + suffix), crashed)
    outbox.close()
    file = crashed / path.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aside, "_keep_names", _crash)
        with pytest.raises(KeyboardInterrupt):
            aside.move(file, START)
    outbox = make_outbox(file)
    keep_house(outbox)
    assert len(frames(outbox)) == 100
    outbox.close()


def _crash(_folder: Path) -> None:
    raise KeyboardInterrupt


# -- a new ledger -------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("readable", [True, False])
def test_damage_while_a_new_ledger_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    """What was receipted by another ledger comes, too."""
    monkeypatch.setattr("edge.outbox.outbox._SETTLE_STEP", 100)
    path, ledger = tmp_path / "outbox.sqlite", Ledger("two")
    old = fill(path)
    outbox = make_outbox(path)
    everything = EpochReceipt(epoch=old, watermark=FRAMES, upto=FRAMES)
    outbox.run([partial(outbox.obey, make_receipt(everything))])
    keep_house(outbox)
    outbox.run([partial(outbox.obey, make_receipt(ledger="two"))])
    assert upheaval.is_resending(outbox._shelf)
    outbox.close()
    lost = ruin(path, payload(1000))
    if not readable:
        ruin(path, b"machine_id")
    outbox = make_outbox(path)
    keep_house(outbox)
    read_all(outbox)
    assert outbox.fact("ledger") == ("two" if readable else None)
    keep_house(outbox)
    assert len(frames(outbox)) == FRAMES - lost
    drain(outbox, ledger)
    assert settled_of(ledger, old) == list(range(1, max(settled_of(ledger, old)) + 1))
    outbox.close()


# -- calls --------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
async def test_a_call_that_was_brought_does_not_wait_for_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    calls = {150, 250}
    arrivals = [make_arrival(payload(n), priority=n in calls) for n in range(1, FRAMES + 1)]
    outbox.run([partial(outbox.append, arrivals)])
    outbox.close()
    ruin(path, payload(1000))
    async with bench(tmp_path) as b:
        outbox = b.writer.outbox
        await b.writer.submit(partial(outbox.page, priority=False, after=900, limit=200))
        b.forwarder.connect()
        await b.pass_time(1)
        for brought in (0, 1, 2):
            while len(await b.writer.submit(calls_of(outbox))) < brought:
                await b.writer.submit(outbox.prune)
            await b.pass_time(1)
            assert [heard.payload for _, heard, _ in b.link.sent] == [
                payload(n) for n in sorted(calls)[:brought]
            ]
        assert await b.writer.submit(outbox.prune), "most of the file is still to be read"


def calls_of(outbox: Outbox) -> Callable[[], list[Record]]:
    return partial(outbox.page, priority=True, after=0, limit=10)


# -- the number of the word gone ----------------------------------------------


def test_the_word_gone_takes_no_number_that_the_index_knows(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    old = fill(path)
    lost = ruin(path, payload(FRAMES))
    outbox = make_outbox(path)
    read_all(outbox)
    keep_house(outbox)
    kept = FRAMES - lost
    assert words(outbox, old) == {
        FRAMES + 1: ("released", [[1, kept]]),
        FRAMES + 2: ("damaged", [[kept + 1, FRAMES]]),
    }
    outbox.close()


def test_the_word_gone_takes_no_number_that_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    old = fill(path)
    outbox = make_outbox(path)
    lost = ruin(path, payload(FRAMES))
    hide_index(path)
    outbox.handed[old] = FRAMES - 1
    outbox._drop_disk()
    read_all(outbox)
    keep_house(outbox)
    assert words(outbox, old) == {
        FRAMES: ("released", [[1, FRAMES - lost]]),
        FRAMES + 1: ("damaged", [[FRAMES - lost + 1, FRAMES - 1]]),
    }
    outbox.close()


def hide_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'record_open'")
        db.commit()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Outbox, Epoch, int]]:
    """An outbox that said of an epoch that it is gone, as if its end could not be read at all; the
    epoch, and what it takes for its last number.
    """
    path = tmp_path / "outbox.sqlite"
    old = fill(path)
    lost = ruin(path, payload(FRAMES))
    hide_index(path)
    outbox = make_outbox(path)
    read_all(outbox)
    keep_house(outbox)
    yield outbox, old, FRAMES - lost
    outbox.close()


def test_a_receipt_tells_that_there_were_more_numbers(told: tuple[Outbox, Epoch, int]) -> None:
    outbox, old, last = told
    assert list(words(outbox, old)) == [last + 1]
    generation = outbox.generation
    receipt = EpochReceipt(
        epoch=old, watermark=1000, upto=FRAMES, missing=((1001, 1100), (FRAMES - 2, FRAMES - 1))
    )
    for _ in range(2):
        outbox.run([partial(outbox.obey, make_receipt(receipt))])
        assert words(outbox, old) == {
            FRAMES + 1: ("released", [[1, last]]),
            FRAMES + 2: ("damaged", [[FRAMES - 2, FRAMES - 1]]),
        }
    assert outbox.generation > generation
    outbox.handed[old] = FRAMES + 2
    everything = EpochReceipt(epoch=old, watermark=FRAMES + 2, upto=FRAMES + 2)
    outbox.run([partial(outbox.obey, make_receipt(everything))])
    assert not words(outbox, old)


def test_a_word_that_was_not_sent_is_not_settled(told: tuple[Outbox, Epoch, int]) -> None:
    outbox, old, last = told
    receipt = EpochReceipt(epoch=old, watermark=last + 1, upto=last + 1)
    for _ in range(2):
        outbox.run([partial(outbox.obey, make_receipt(receipt))])
        assert list(words(outbox, old)) == [last + 2]
    outbox.handed[old] = last + 2
    receipt = EpochReceipt(epoch=old, watermark=last + 2, upto=last + 2)
    outbox.run([partial(outbox.obey, make_receipt(receipt))])
    assert not words(outbox, old)


def test_nor_is_one_after_a_restart(told: tuple[Outbox, Epoch, int]) -> None:
    first, old, last = told
    path = first._path
    first.close()
    outbox = make_outbox(path)
    receipt = EpochReceipt(epoch=old, watermark=last + 1, upto=last + 1)
    for _ in range(2):
        outbox.run([partial(outbox.obey, make_receipt(receipt))])
        assert list(words(outbox, old)) == [last + 2]
    outbox.handed[old] = last + 2
    receipt = EpochReceipt(epoch=old, watermark=last + 2, upto=last + 2)
    outbox.run([partial(outbox.obey, make_receipt(receipt))])
    assert not words(outbox, old)
    outbox.close()
    outbox = make_outbox(path)
    outbox.run([partial(outbox.obey, make_receipt(receipt))])
    assert not words(outbox, old)
    assert (old, last + 2) in [(name, end) for _, name, end in outbox._shelf.epochs()]
    outbox.close()


# -- single rows --------------------------------------------------------------


SPOILED = {
    "frame": "x'22ff40'",
    "frame is text": "'text'",
    "kind": "'morawan'",
    "origin": "'sadio'",
    "topic": "CAST(x'fffe' AS TEXT)",
    "device": "CAST(x'c328' AS TEXT)",
    "clock": "'gqs'",
    "heard_at": "1 << 62",
    "boot_us": "1 << 62",
    "boot": "999",
}
"""What a card may make of a column."""


@pytest.mark.parametrize("column", SPOILED)
@pytest.mark.parametrize("priority", [False, True])
def test_a_row_that_cannot_be_read_is_declared_gone(
    tmp_path: Path, column: str, priority: bool
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    arrivals = [
        make_arrival(payload(n), priority=priority, at=None if n == 8 else START) for n in range(20)
    ]
    outbox.run([partial(outbox.append, arrivals)])
    numbers = [record.number for record in read_all(outbox)]
    name = column.split(maxsplit=1)[0]
    outbox._shelf.db.execute(f"UPDATE record SET {name} = {SPOILED[column]} WHERE seq = 7")
    assert [r.number.seq for r in read_all(outbox)] == [n for n in range(1, 21) if n != 7]
    assert len(outbox.run([partial(outbox.fetch, numbers)])[0]) == 19
    keep_house(outbox)
    assert words(outbox, outbox.present) == {21: ("damaged", [[7, 7]])}
    assert outbox.run([outbox.count])[0].backlog == 20
    outbox.close()


def test_rows_that_cannot_be_read_hide_none_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path, 20)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE record SET kind = 'morawan' WHERE seq < 18")
        db.commit()
    outbox = make_outbox(path)
    assert [record.number.seq for record in read_all(outbox)] == [18, 19, 20]
    outbox.close()


# -- single facts -------------------------------------------------------------


def spoil(path: Path, key: str, whole: str, flipped: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        changed = "UPDATE fact SET value = replace(value, ?, ?) WHERE key LIKE ?"
        assert db.execute(changed, (whole, flipped, key)).rowcount
        db.commit()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(
    ("whole", "flipped"), [('"place"', '"plabe"'), ("{", "["), ('"place":', '"place":-')]
)
def test_a_course_that_cannot_be_read_is_a_new_one(
    tmp_path: Path, whole: str, flipped: str
) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path)
    lost = ruin(path, payload(500))
    outbox = make_outbox(path)
    read_all(outbox)
    for _ in range(5):
        outbox.run([outbox.prune])
    outbox.close()
    spoil(path, "salvage %", whole, flipped)
    outbox = make_outbox(path)
    keep_house(outbox)
    assert not outbox.volatile
    assert len(set(frames(outbox))) == FRAMES - lost
    outbox.close()


def test_a_last_position_that_cannot_be_read_makes_the_file_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path, 20)
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT OR REPLACE INTO fact VALUES ('position', '2p')")
        db.commit()
    outbox = make_outbox(path)
    keep_house(outbox)
    assert not outbox.volatile
    assert len(frames(outbox)) == 20
    outbox.close()


@pytest.mark.parametrize("flipped", ["[nulm, 0]", "[null. 0]", '{"a": 0}', "7"])
def test_a_new_ledger_is_told_of_all_where_its_aim_cannot_be_read(
    tmp_path: Path, flipped: str
) -> None:
    path, ledger = tmp_path / "outbox.sqlite", Ledger("two")
    epoch = fill(path, 50)
    outbox = make_outbox(path)
    everything = EpochReceipt(epoch=epoch, watermark=50, upto=50)
    outbox.run([partial(outbox.obey, make_receipt(everything))])
    keep_house(outbox)
    upheaval.begin_to_resend(outbox._shelf, "two")
    outbox._shelf.keep(upheaval.RESENDING, flipped)
    outbox.close()
    outbox = make_outbox(path)
    drain(outbox, ledger)
    assert settled_of(ledger, epoch) == list(range(1, 51))
    outbox.close()


@pytest.mark.parametrize("flipped", ["[", "[]", '{"epochs": [1], "top": 20}', "7"])
def test_records_get_other_numbers_where_the_aim_cannot_be_read(
    tmp_path: Path, flipped: str
) -> None:
    path, ledger = tmp_path / "outbox.sqlite", Ledger("one")
    old = fill(path, 50)
    outbox = make_outbox(path)
    upheaval.begin_epoch(outbox._shelf, "conflict")
    outbox._shelf.keep(upheaval.RENUMBERING, flipped)
    outbox.close()
    outbox = make_outbox(path)
    keep_house(outbox)
    assert len(frames(outbox)) == 50
    drain(outbox, ledger)
    assert settled_of(ledger, outbox.present) == list(range(1, 51))
    assert settled_of(ledger, old) == list(range(1, 52))
    outbox.close()


def test_no_flipped_bit_ends_it(tmp_path: Path) -> None:
    """Wherever a card changes bits, schema and facts included: what is heard next is kept."""
    made = tmp_path / "made"
    made.mkdir()
    fill(made / "outbox.sqlite", 40)
    whole = (made / "outbox.sqlite").read_bytes()
    spots = [at for at, byte in enumerate(whole) if byte not in (0, ord("x"))]
    chance = random.Random("flips")
    for number in range(150):
        path = tmp_path / str(number) / "outbox.sqlite"
        path.parent.mkdir()
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            data[chance.choice(spots)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        outbox = make_outbox(path)
        outbox.run([outbox.prune])
        (stored,) = outbox.run([partial(outbox.append, [make_arrival()])])
        assert stored.durable, number
        outbox.close()
