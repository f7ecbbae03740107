"""Receipts, statuses and priority lists: the JSON that agents and ingest exchange."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen import priority, receipt, status
from khaen.clock import Rung
from khaen.errors import WireError
from khaen.ids import DevAddr, Epoch
from tests.support.receipts import cover

EPOCH = Epoch("00000000000000e1")
NEWER = (
    b'{"v":2,"site":"s","ledger":"l","since":"2026-01-01T00:00:00Z",'
    b'"at":"2026-01-01T00:00:00Z","epochs":[]}'
)


@given(st.sets(st.integers(1, 300)))
def test_a_receipt_settles_exactly_what_came_and_speaks_of_at_most_64_gaps(came: set[int]) -> None:
    watermark = 0
    while watermark + 1 in came:
        watermark += 1
    told = cover(EPOCH, watermark, sorted(seq for seq in came if seq > watermark), conflict=False)
    assert len(told.missing) <= receipt.MAX_GAPS
    for seq in range(1, told.upto + 1):
        assert told.settles(seq) is (seq in came)
    for seq in range(told.upto + 1, 302):
        assert not told.settles(seq)
    if len(told.missing) < receipt.MAX_GAPS:
        assert told.upto == max(came, default=0)


def test_upto_ends_with_the_64th_gap() -> None:
    told = cover(EPOCH, 0, range(2, 400, 2), conflict=False)
    assert (len(told.missing), told.upto, told.watermark) == (64, 128, 0)


def test_a_receipt_survives_the_wire() -> None:
    at = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
    sent = receipt.Receipt(
        site="khon-kaen", ledger="l", since=at, at=at,
        epochs=(cover(EPOCH, 3, [5, 6, 9], conflict=True),),
    )  # fmt: skip
    assert receipt.parse(sent.model_dump_json().encode()) == sent
    assert sent.epochs[0].missing == ((4, 4), (7, 8))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_receipt"),
        (b"{}", "bad_receipt"),
        (NEWER, "newer_version"),
    ],
)  # fmt: skip
def test_a_bad_receipt_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        receipt.parse(payload)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("watermark", "upto", "missing"),
    [
        (2**64, 2**64, ()),
        (2**63 - 1, 2**63, ()),
        (-1, 0, ()),
        (1000, 0, ()),
        (3, 9, ((3, 4),)),
        (3, 9, ((8, 8), (5, 6))),
        (3, 9, ((5, 6), (6, 7))),
        (3, 9, ((6, 5),)),
        (3, 9, ((5, 10),)),
        (3, 9, ((5, 2**64),)),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(
    watermark: int, upto: int, missing: tuple[tuple[int, int], ...]
) -> None:
    entry = {"epoch": EPOCH, "watermark": watermark, "upto": upto, "missing": missing}
    at = "2026-01-01T00:00:00Z"
    said = {"site": "s", "ledger": "l", "since": at, "at": at, "epochs": [entry]}
    with pytest.raises(WireError) as caught:
        receipt.parse(json.dumps(said).encode())
    assert caught.value.reason == "bad_receipt"


@given(st.binary(max_size=100))
def test_no_bytes_break_a_parser(garbage: bytes) -> None:
    for parse in (receipt.parse, status.parse, priority.parse):
        with pytest.raises(WireError):
            parse(b"[" + garbage)


def test_a_status_survives_the_wire() -> None:
    at = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
    sent = status.GatewayStatus(
        at=at, version="0.1.0", configuration="c", epoch=EPOCH, last_seq=9, backlog=2, held=9,
        waiting=((4, 5),), disk=status.DiskStatus(free=1, used=2, quota=3), clock=Rung.SYNCED,
        broker="connected", uptime_s=12.5, offset_ms=-0.25, clock_source="chrony",
        warnings=("disk_low", "twin_agent"),
    )  # fmt: skip
    assert status.parse(sent.model_dump_json().encode()) == sent


@pytest.mark.parametrize(
    "over",
    [
        {"epoch": "zz"},
        {"epoch": "0" * 100_000},
        {"last_seq": 2**63},
        {"waiting": [[1, 1]] * 65},
        {"at": "9999-12-31T23:59:59"},
        {"uptime_s": -1},
        {"clock_source": "x" * 33},
        {"warnings": ["disk_low"] * 33},
        {"warnings": ["Disk is low"]},
    ],
)
def test_an_absurd_status_is_refused(over: dict[str, object]) -> None:
    said = {
        "at": "2026-11-20T01:02:03Z", "version": "", "configuration": "", "epoch": EPOCH,
        "last_seq": 1, "backlog": 0, "held": 0, "disk": {"free": 1, "used": 1, "quota": 1},
        "clock": "synced", "broker": "",
    }  # fmt: skip
    assert status.parse(json.dumps(said).encode()).last_seq == 1
    with pytest.raises(WireError):
        status.parse(json.dumps(said | over).encode())


def test_priority_are_listed_addresses_and_listed_ports_within_our_prefixes() -> None:
    told = priority.parse(
        b'{"v":1,"prefixes":["26010000/16"],"dev_addrs":["01020304"],"f_ports":[2,85]}'
    )
    assert told.covers(DevAddr("01020304"), 9)
    assert told.covers(DevAddr("2601ffff"), 85)
    assert not told.covers(DevAddr("2601ffff"), 3)
    assert not told.covers(DevAddr("2602ffff"), 85)
    assert not told.covers(DevAddr("2601ffff"), None)


@pytest.mark.parametrize("prefix", ["", "26010000", "26010000/33", "2601/16", "26010000/x"])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(WireError):
        priority.parse(f'{{"prefixes":["{prefix}"]}}'.encode())
