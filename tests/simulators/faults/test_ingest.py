"""What ingest makes of faults: nothing is invented, attacks are set aside, copies are one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from khaen.capture import Record, Road
from khaen.ids import DevEui
from simulators.faults.catalogue import parse_all
from simulators.faults.faults import Faults
from tests.support.in_process import InProcess, Sent
from tests.support.traffic import (
    RESTARTING,
    START,
    THERMOMETER,
    Device,
    Gateway,
)

COUNT = 20


def run(
    folder: Path, *faults: str, device: DevEui = THERMOMETER, every: float = 60.0
) -> Counter[str]:
    """What a ledger makes of twenty readings, one in so many seconds, that went through faults."""
    folder.mkdir(exist_ok=True)
    sender, gateway = Device(device), Gateway()
    made = Faults(parse_all(faults), 1, START, ciphers={device: sender.cipher()})
    records = []
    for i in range(COUNT):
        at = START + timedelta(seconds=every * i)
        envelope = gateway.hear(sender.say(bytes((0x03, 0x67, i, 0x01)), 85), at)
        record = Record(at=at, road=Road.MQTT, topic=gateway.up, payload=envelope)
        records += made.apply(record)
    ledger = InProcess(folder)
    try:
        for record in [*records, *made.flush()]:
            passed = (record.at - ledger.now()) / timedelta(seconds=1)
            ledger.clock.advance(max(0.0, passed))
            ledger.take(Sent(topic=record.topic, payload=record.payload))
        return ledger.counts
    finally:
        ledger.close()


def test_copies_reordered_are_the_same_uplinks(tmp_path: Path) -> None:
    counts = run(tmp_path, "duplicate=0.5,within=20s", "reorder=0.5,within=20s", every=5.0)

    assert counts["admitted"] == COUNT
    assert counts["repeated"] > 0
    assert not [name for name in counts if name.startswith("refused")]


def test_a_corrupted_frame_is_never_a_reading(tmp_path: Path) -> None:
    counts = run(tmp_path, "corrupt=0.5,bits=2")
    aside = sum(
        count for name, count in counts.items() if name.startswith("refused:") or name == "foreign"
    )

    assert 0 < counts["admitted"] < COUNT
    assert counts["admitted"] + aside == COUNT


def test_a_frame_replayed_later_is_set_aside(tmp_path: Path) -> None:
    counts = run(tmp_path, "replay=25min,until=30s")

    assert (counts["admitted"], counts["refused:replay_suspected"]) == (COUNT, 1)


def test_a_flood_is_that_many_uplinks(tmp_path: Path) -> None:
    assert run(tmp_path, "flood=5,within=30s,until=3min")["admitted"] == COUNT + 3 * 4


def test_a_clone_makes_the_device_itself_suspicious(tmp_path: Path) -> None:
    # Within a minute of the other's higher counter its own would count as late.
    counts = run(tmp_path, "clone=500", every=120.0)

    assert counts["refused:replay_suspected"] > 0
    assert counts["admitted"] + counts["refused:replay_suspected"] == 2 * COUNT


def test_a_reset_counter_is_taken_of_devices_that_restart(tmp_path: Path) -> None:
    assert run(tmp_path / "a", "reset,from=10min", device=RESTARTING)["admitted"] == COUNT
    counts = run(tmp_path / "b", "reset,from=10min")
    assert counts["refused:replay_suspected"] > 0
