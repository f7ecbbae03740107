"""The power goes at any moment: what the packet forwarder was told is safe is on the disk.

The real agent runs on a recorder of all that it does to its folder; disks are made of the record as
a power cut would leave them, and read.
"""

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge.outbox import schema
from edge.outbox.shelf import Shelf
from khaen import topics
from khaen.ids import Epoch
from tests.edge.agent import (
    Agent,
    Listener,
    PacketForwarder,
    forwarding,
    listening,
    running,
    write_config,
)
from tests.edge.fixtures import GATEWAY, make_receipt
from tests.edge.power import timeline
from tests.edge.power.timeline import Disk, Entry
from tests.edge.test_agent import answer_until, by_number
from tests.support.broker import Mosquitto
from tests.support.receipts import cover

pytestmark = pytest.mark.end_to_end
ROUNDS = int(os.environ.get("KHAEN_ROUNDS", "3"))
FRAMES = 1_200
"""Enough for the log of SQLite to be carried over into the file (1,000 pages) and begun anew."""
CUTS = 40


@dataclass(frozen=True, slots=True)
class Run:
    """What an agent did to its disk, and what it said meanwhile."""

    entries: tuple[Entry, ...]
    acknowledged: tuple[tuple[int, bytes], ...]
    """Each frame that was acknowledged, and how long the record was then."""

    def safe(self, end: int) -> set[bytes]:
        """What must be there when the record ends at `end`."""
        return {payload for length, payload in self.acknowledged if length <= end}


def make_payload(number: int) -> bytes:
    """A data frame of a device of its own."""
    return b"\x40" + number.to_bytes(4, "little") + b"\x00\x01\x00\x02" + bytes(8)


def environment(library: Path, state: Path, log: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(library),
        "KHAEN_POWER_FOLDER": str(state),
        "KHAEN_POWER_LOG": str(log),
    }


def push(
    forwarder: PacketForwarder, log: Path, frames: range, chance: random.Random
) -> Iterator[tuple[int, bytes]]:
    """Send datagrams of one to three frames; each frame that is acknowledged, and how long the
    record is by then.
    """
    waiting = list(frames)
    while waiting:
        size = chance.randint(1, 3)
        forwarder.push(*map(make_payload, waiting[:size]))
        del waiting[:size]
        known = len(forwarder.acknowledged)
        if forwarder.collect(5.0):
            length = log.stat().st_size
            yield from ((length, payload) for payload in forwarder.acknowledged[known:])


def receipt_all(listener: Listener) -> None:
    """Say that all that came so far is committed."""
    numbers = by_number(listener.messages)
    for epoch in {Epoch(epoch) for epoch, _ in numbers}:
        entry = cover(epoch, 0, sorted(seq for e, seq in numbers if e == epoch), conflict=False)
        body = make_receipt(entry).model_dump_json().encode()
        listener.client.publish(topics.receipt(GATEWAY), body, retain=True)


def work(
    agent: Agent, listener: Listener, log: Path, *, seed: int, receipts: bool
) -> list[tuple[int, bytes]]:
    """Feed an agent, with receipts now and then, and kill it."""
    chance = random.Random(seed)
    acknowledged: list[tuple[int, bytes]] = []
    with forwarding(agent.udp) as forwarder:
        for part in range(4):
            frames = range(part * FRAMES // 4, (part + 1) * FRAMES // 4)
            acknowledged += push(forwarder, log, frames, chance)
            if receipts:
                receipt_all(listener)
        agent.kill()
    return acknowledged


def record(folder: Path, broker: Mosquitto, *, seed: int, receipts: bool = True) -> Run:
    """Let an agent work on the recorder."""
    state = folder / "state"
    state.mkdir(parents=True)
    config, log = write_config(folder, broker.port, status_s=0.5), folder / "log"
    config.write_text(config.read_text().replace(str(folder / "outbox"), str(state / "outbox")))
    library = timeline.build(folder)
    with (
        listening(broker.port, "khaen/#", "as923/#") as listener,
        running(config, environment(library, state, log)) as agent,
    ):
        acknowledged = work(agent, listener, log, seed=seed, receipts=receipts)
    return Run(tuple(timeline.read(log)), tuple(acknowledged))


def cut_everywhere(run: Run, folder: Path, *, seed: int, honest: bool) -> int:
    """Cut the power at many moments; how many frames were lost that had been acknowledged.

    On each disk the numbers have no hole, and each stands for the same frame.
    """
    chance = random.Random(seed)
    moments = set(chance.sample(range(len(run.entries)), CUTS))
    disk, lost = Disk(honest=honest), 0
    contents: dict[tuple[str, int], bytes] = {}
    for moment, entry in enumerate(run.entries):
        disk.do(entry)
        if moment in moments:
            into = folder / f"{seed}-{honest}-{moment}"
            disk.cut(chance, into)
            if honest:
                found = read_disk(into / "outbox.sqlite")
                check_numbers(found, contents)
            else:
                found = read_what_can_be(into / "outbox.sqlite")
            lost += len(run.safe(entry.end) - set(found.values()))
    return lost


def read_disk(path: Path) -> dict[tuple[str, int], bytes]:
    """What an agent finds there."""
    shelf = Shelf(path)
    try:
        schema.check(shelf.db)
        rows = shelf.db.execute(
            "SELECT e.epoch, r.seq, r.frame FROM record r JOIN epoch e ON e.id = r.epoch"
        )
        return {
            (epoch, seq): bytes(gw.UplinkFrame.FromString(frame).phy_payload)
            for epoch, seq, frame in rows
        }
    finally:
        shelf.close()


def read_what_can_be(path: Path) -> dict[tuple[str, int], bytes]:
    try:
        return read_disk(path)
    except sqlite3.DatabaseError:
        return {}


def check_numbers(
    found: dict[tuple[str, int], bytes], contents: dict[tuple[str, int], bytes]
) -> None:
    """`contents` is what stood under each number at other moments."""
    for epoch in {epoch for epoch, _ in found}:
        numbers = sorted(seq for name, seq in found if name == epoch)
        assert numbers == list(range(1, len(numbers) + 1))
    for number, payload in found.items():
        assert contents.setdefault(number, payload) == payload


def test_what_was_acknowledged_outlives_a_power_cut(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    run = record(tmp_path / "run", mosquitto(), seed=1)
    assert len(run.acknowledged) == FRAMES
    carried = [entry for entry in run.entries if entry.name == "outbox.sqlite"]
    assert len(carried) > 20, "the log was carried over into the file"
    assert cut_everywhere(run, tmp_path, seed=1, honest=True) == 0
    assert cut_everywhere(run, tmp_path, seed=1, honest=False) > 0, "cuts do take away"


def test_an_agent_goes_on_after_a_power_cut(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    """On the disk that is left a new agent numbers on, and brings all of it to the broker."""
    run = record(tmp_path / "run", mosquitto(), seed=2, receipts=False)
    moment, disk = len(run.entries) * 3 // 4, Disk()
    for entry in run.entries[:moment]:
        disk.do(entry)
    disk.cut(random.Random(2), tmp_path / "left")
    safe, held = run.safe(run.entries[moment - 1].end), read_disk(tmp_path / "left/outbox.sqlite")
    broker = mosquitto()
    with (
        listening(broker.port, "khaen/#", "as923/#") as listener,
        running(write_config(tmp_path / "left", broker.port)) as agent,
        forwarding(agent.udp) as forwarder,
    ):
        forwarder.push(make_payload(FRAMES + 1))
        assert forwarder.collect(5.0)
        listener.wait_for(lambda messages: bool(by_number(messages)))
        answer_until(listener, len(held) + 1)
        sent = by_number(listener.messages)
    assert safe <= set(sent.values())
    assert all(sent.get(number, payload) == payload for number, payload in held.items())


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 100 + ROUNDS))
def test_many_power_cuts(tmp_path: Path, mosquitto: Callable[..., Mosquitto], seed: int) -> None:
    run = record(tmp_path / "run", mosquitto(), seed=seed)
    assert cut_everywhere(run, tmp_path, seed=seed, honest=True) == 0
