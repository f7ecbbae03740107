"""A disk that is full, absent or damaged: it goes on, and calls nothing safe that is not."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from chirpstack_api import gw

from edge.outbox.outbox import Outbox, Stored
from edge.outbox.room import MAX_VOLATILE
from edge.record import Record
from khaen.clock import ManualClock
from khaen.uplink import Kind
from tests.edge.disk import full_disk
from tests.edge.fixtures import START, make_arrival, make_outbox
from tests.edge.test_outbox import Ledger, drain, payload_of, read_all, settled_of

RETRY_S = 6


def hear(outbox: Outbox, *payloads: bytes, priority: bool = False) -> Stored:
    arrivals = [make_arrival(payload, priority=priority) for payload in payloads]
    return outbox.run([partial(outbox.append, arrivals)])[0]


def is_volatile(outbox: Outbox) -> bool:
    """Read anew each time, which a property looks as if it were not."""
    return outbox.volatile


def held(outbox: Outbox) -> set[bytes]:
    return {payload_of(record) for record in read_all(outbox) if record.kind is not Kind.GONE}


def test_a_full_disk_is_borne_in_memory_and_brought_back(tmp_path: Path) -> None:
    clock = ManualClock(START)
    outbox, ledger = make_outbox(tmp_path / "outbox.sqlite", clock), Ledger("one")
    first = hear(outbox, b"before")
    big = bytes(200) * 500
    with full_disk(150_000):
        while (stored := hear(outbox, big)).durable:
            pass
        assert is_volatile(outbox)
        assert len(stored.records) == 1
        volatile = outbox.present
        assert volatile != first.records[0].number.epoch
        assert hear(outbox, b"meanwhile", b"and more").durable is False
        assert held(outbox) == {b"before", big, b"meanwhile", b"and more"}, "both can be sent"
        sent = {r.number.seq: r for r in read_all(outbox) if r.number.epoch == volatile}
        ledger.take(sent[2])  # one is committed under its volatile number
        clock.advance(RETRY_S)
        hear(outbox, b"still full")
        assert is_volatile(outbox)
    clock.advance(RETRY_S)
    assert hear(outbox, b"after").durable
    assert not is_volatile(outbox)
    assert outbox.generation == 1
    assert held(outbox) >= {b"before", b"meanwhile", b"and more", b"still full", b"after"}
    drain(outbox, ledger)
    # Four frames, and the word that their numbers end.
    assert settled_of(ledger, volatile) == [1, 2, 3, 4, 5]
    assert settled_of(ledger, outbox.present) == list(range(1, len(ledger.committed) - 1))
    outbox.close()
    again = make_outbox(tmp_path / "outbox.sqlite", clock)
    assert not read_all(again)
    again.close()


def test_numbers_have_no_hole_where_the_disk_refused(tmp_path: Path) -> None:
    clock = ManualClock(START)
    outbox = make_outbox(tmp_path / "outbox.sqlite", clock)
    hear(outbox, b"one")
    with full_disk(150_000):
        while not outbox.volatile:
            hear(outbox, bytes(100_000))
    clock.advance(RETRY_S)
    hear(outbox, b"two")
    seqs = [r.number.seq for r in read_all(outbox) if r.number.epoch == outbox.present]
    assert seqs == list(range(1, len(seqs) + 1))
    outbox.close()


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """A card that is mounted late."""
    clock = ManualClock(START)
    path = tmp_path / "mount" / "outbox.sqlite"
    outbox = make_outbox(path, clock)
    assert outbox.volatile
    assert not hear(outbox, b"early").durable
    path.parent.mkdir()
    clock.advance(RETRY_S)
    assert hear(outbox, b"late").durable
    assert held(outbox) == {b"early", b"late"}
    outbox.close()


def test_memory_is_bounded_and_says_what_it_shed(tmp_path: Path) -> None:
    outbox = make_outbox(tmp_path / "nowhere" / "outbox.sqlite")
    hear(outbox, *(b"call %d" % i for i in range(10)), priority=True)
    for batch in range(21):
        hear(outbox, *(b"%d %d" % (batch, i) for i in range(500)))
    records = read_all(outbox)
    assert len(records) <= MAX_VOLATILE + 1
    assert sum(record.priority for record in records) == 10
    gone = {seq for record in records if record.kind is Kind.GONE for seq in _gone(record)}
    kept = {record.number.seq for record in records}
    last = outbox.run([outbox.count])[0].last_seq
    assert gone | kept == set(range(1, last + 1))
    assert not gone & kept
    outbox.close()


def _gone(record: Record) -> Iterator[int]:
    body = json.loads(gw.UplinkFrame.FromString(record.frame).phy_payload)
    assert body["reason"] == "shed"
    for first, last in body["ranges"]:
        yield from range(first, last + 1)


def test_a_file_that_is_none_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"this was a card once" * 1000)
    outbox = make_outbox(path)
    assert hear(outbox, b"goes on").durable
    assert [p for p in tmp_path.iterdir() if ".damaged-" in p.name]
    outbox.close()


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path) -> None:
    path, ledger = tmp_path / "outbox.sqlite", Ledger("one")
    outbox = make_outbox(path)
    hear(outbox, *(b"frame %d" % i + bytes(1500) for i in range(200)))
    old = outbox.present
    outbox.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 3 * 4096] = b"\xa5" * (3 * 4096)
    path.write_bytes(content)
    outbox = make_outbox(path)
    assert outbox.present != old
    saved = len(held(outbox))
    assert 150 < saved < 200
    drain(outbox, ledger)
    last = max(settled_of(ledger, old))
    assert settled_of(ledger, old) == list(range(1, last + 1))
    assert settled_of(ledger, outbox.present) == list(range(1, saved + 1))
    outbox.close()


def test_damage_that_shows_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    hear(outbox, *(b"frame %d" % i + bytes(1500) for i in range(200)))
    outbox.run([lambda: None])
    outbox._shelf.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._shelf.db.execute("PRAGMA cache_size = 1")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    outbox._shelf.db.execute("PRAGMA shrink_memory")
    assert hear(outbox, b"goes on").durable
    assert b"goes on" in held(outbox)
    assert [p for p in tmp_path.iterdir() if ".damaged-" in p.name]
    outbox.close()
