"""Frames as they were heard, from the file beside the agent."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge import tail
from edge.record import Arrival
from edge.tail import Filter
from khaen.errors import NotRunnable
from khaen.receipt import EpochReceipt
from khaen.uplink import Kind, Origin
from tests.edge.fixtures import GATEWAY, START, make_arrival, make_outbox, make_receipt, run

DATA = bytes.fromhex("40040302018007000255aabbcc01020304")
JOIN = bytes([0, *range(8), *range(0x10, 0x18), 1, 2, 3, 4, 5, 6])
SECRET = b"nobody's business"


def arrive(payload: bytes, kind: Kind = Kind.LORAWAN, *, priority: bool = False) -> Arrival:
    arrival = make_arrival(payload, kind=kind, priority=priority)
    frame = gw.UplinkFrame.FromString(arrival.frame)
    if kind is Kind.LORAWAN:
        frame.tx_info.frequency = 923_200_000 + 200_000 * len(payload)
        frame.tx_info.modulation.lora.spreading_factor = 10
        frame.rx_info.rssi, frame.rx_info.snr = -107, -4.25
    return replace(arrival, frame=frame.SerializeToString())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An outbox with a join, a frame with priority, garbage, a heartbeat and an event; the first
    two are receipted."""
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    arrivals = [
        arrive(JOIN, priority=True),
        arrive(DATA),
        arrive(b"\xff"),
        arrive(b"", Kind.HEARTBEAT),
        arrive(SECRET, Kind.APPLICATION),
        replace(arrive(SECRET, Kind.P2P), device="bed-7"),
        replace(arrive(DATA), instant=make_arrival(at=None).instant),
    ]
    run(outbox, lambda: outbox.append(arrivals))
    entry = EpochReceipt(epoch=outbox.present, watermark=2, upto=2)
    run(outbox, lambda: outbox.obey(make_receipt(entry)))
    run(outbox, outbox.count)
    outbox.close()
    return path


def test_lines_tell_what_frames_say_in_clear_and_no_payload(path: Path) -> None:
    lines = [tail.render(line) for line in tail.read_newest(GATEWAY, path, 10)]
    assert [line.rstrip() for line in lines] == [
        "01:02:03.000 join  1716151413121110               23 SF10 -107  -4.2 ! receipted",
        "01:02:03.000 data  01020304             7     2   17 SF10 -107  -4.2   receipted",
        "01:02:03.000 other                                 1 SF10 -107  -4.2   waiting",
        "01:02:03.000 beat                                  0                   waiting",
        "01:02:03.000 event                                17                   waiting",
        "01:02:03.000 p2p   bed-7                          17                   waiting",
        "undated      data  01020304             7     2   17 SF10 -107  -4.2   waiting",
    ]
    assert max(map(len, [*lines, tail.TITLE])) <= 80
    text = "".join(line.to_json() for line in tail.read_newest(GATEWAY, path, 10))
    assert "aabbcc" not in text
    assert "business" not in text


def test_what_is_not_real_says_so(path: Path) -> None:
    line = replace(tail.read_newest(GATEWAY, path, 10)[1], origin=Origin.SIMULATED)
    assert tail.render(line).endswith(" receipted simulated")


def test_as_json(path: Path) -> None:
    first = json.loads(tail.read_newest(GATEWAY, path, 10)[0].to_json())
    assert first["at"] == "2026-07-23T01:02:03.000000Z"
    assert first["frequency"] == 923_200_000 + 200_000 * 23
    assert (first["gateway"], first["seq"]) == (GATEWAY, 1)


def test_what_comes_next_is_read_from_a_position(path: Path) -> None:
    newest = tail.read_newest(GATEWAY, path, 2)
    assert [line.seq for line in newest] == [6, 7]
    assert [line.seq for line in tail.read_next(GATEWAY, path, newest[0].position)] == [7]
    assert tail.read_next(GATEWAY, path, newest[1].position) == []


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6, 7]),
        (Filter(kinds=frozenset({"data", "join"})), [1, 2, 7]),
        (Filter(device="0102"), [2, 7]),
        (Filter(device="BED"), [6]),
        (Filter(waiting=True, kinds=frozenset({"data"})), [7]),
    ],
)
def test_filters(path: Path, wanted: Filter, seqs: list[int]) -> None:
    lines = tail.read_newest(GATEWAY, path, 10)
    assert [line.seq for line in lines if wanted.takes(line)] == seqs


def test_several_gateways_are_told_apart(path: Path) -> None:
    line = tail.render(tail.read_newest(GATEWAY, path, 10)[1], several=True)
    assert line.startswith("01:02:03 14c data  01020304")


def test_the_frequencies_that_are_heard(path: Path) -> None:
    lines = tail.read_newest(GATEWAY, path, 10)
    assert tail.count_span(lines) == (923_400_000, 927_800_000)
    assert tail.count_span([line for line in lines if line.what == "beat"]) is None


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunnable, match="unable to open"):
        tail.read_newest(GATEWAY, tmp_path / "absent.sqlite", 1)
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(NotRunnable, match="not a database"):
        tail.read_newest(GATEWAY, tmp_path / "text.sqlite", 1)


def test_times_are_those_of_the_frame(path: Path) -> None:
    assert [line.at for line in tail.read_newest(GATEWAY, path, 2)] == [START, None]
