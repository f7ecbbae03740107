"""The packet forwarder's JSON becomes what the gateway bridge makes of it, to the field."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from edge.semtech import rxpk
from edge.semtech.rxpk import RxpkError
from khaen.clock import from_gps
from khaen.ids import GatewayEui
from tests.edge.fixtures import GATEWAY

VECTORS = json.loads(Path(__file__).with_name("semtech.json").read_text())
GOOD = {"stat": 1, "data": "AQIDBAU=", "freq": 923.2, "datr": "SF7BW125", "codr": "4/5"}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_mapping_equals_the_gateway_bridge(vector: dict[str, Any]) -> None:
    body = rxpk.load(json.dumps(vector["body"]).encode())
    gateway = GatewayEui(vector["eui"])
    token = int.from_bytes(bytes.fromhex(vector["token"]), "little")
    frames: list[gw.UplinkFrame] = []
    refused: list[str] = []
    for entry in body.get("rxpk", []):
        try:
            receptions = rxpk.parse(entry, gateway=gateway, token=token, stat=body.get("stat"))
        except RxpkError as error:
            refused.append(error.reason)
        else:
            frames += (reception.frame for reception in receptions)
    bad = sum(entry["stat"] == -1 for entry in body.get("rxpk", []))
    assert refused == ["crc_bad"] * bad
    expected = [json_format.ParseDict(frame, gw.UplinkFrame()) for frame in vector["frames"]]
    assert frames == expected
    if "stats" in vector:
        stats = rxpk.parse_stat(body["stat"], gateway=gateway)
        assert stats == json_format.ParseDict(vector["stats"], gw.GatewayStats())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stat": -1}, "crc_bad"),
        ({"stat": 0}, "crc_absent"),
        ({"stat": True}, "crc_absent"),
        ({"stat": None}, "crc_absent"),
        ({"data": "%%%"}, "bad_base64"),
        ({"data": "A"}, "bad_base64"),
        ({"data": "แคน"}, "bad_base64"),
        ({"data": ""}, "no_data"),
        ({"data": 7}, "no_data"),
        ({"data": "A" * 400}, "too_long"),
    ],
)
def test_what_cannot_be_taken_says_why(change: dict[str, object], reason: str) -> None:
    with pytest.raises(RxpkError) as caught:
        rxpk.parse(GOOD | change, gateway=GATEWAY, token=0)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "change",
    [
        {"codr": "9/9"},
        {"datr": "SF99"},
        {"datr": [1]},
        {"datr": -3},
        {"rssi": "loud"},
        {"rssi": 1e300},
        {"lsnr": float("nan")},
        {"freq": -1},
        {"freq": 10**400},
        {"tmst": -5},
        {"time": "yesterday"},
        {"time": "9999-12-31T23:59:59.999999999Z"},
        {"tmms": -1},
        {"tmms": 2**63},
        {"chan": 2**40},
        {"rsig": [None, 3]},
        {"meta": {"khaen_seq": "1", "a": "gatewayId", "b": "\ud800"}},
    ],
)
def test_one_odd_field_does_not_cost_the_frame(change: dict[str, object]) -> None:
    """The bridge would refuse the whole datagram; what was heard with a good CRC is kept."""
    (reception,) = rxpk.parse(GOOD | change, gateway=GATEWAY, token=0)
    assert reception.frame.phy_payload == bytes([1, 2, 3, 4, 5])
    assert not reception.frame.rx_info.metadata
    assert reception.frame.SerializeToString()


def test_one_datagram_is_no_flood_of_frames() -> None:
    """64 KiB of antennas and of facts about each would else be some hundred MB on disk."""
    meta = {"long": "x" * 34_000, **{f"{i:04}": "ก" * 30 for i in range(50)}}
    receptions = rxpk.parse(
        GOOD | {"rsig": [{"ant": i} for i in range(10_000)], "meta": meta}, gateway=GATEWAY, token=0
    )
    assert [reception.frame.rx_info.antenna for reception in receptions] == list(range(16))
    assert max(reception.frame.ByteSize() for reception in receptions) < 4096
    kept = receptions[0].frame.rx_info.metadata
    assert set(kept) == {f"{i:04}" for i in range(2048 // 94)}, (
        "whole ones, as long as there is room"
    )


def test_a_fractional_rssi_is_rounded() -> None:
    (reception,) = rxpk.parse(GOOD | {"rssi": -100.6}, gateway=GATEWAY, token=0)
    assert reception.frame.rx_info.rssi == -101


def test_satellite_time_is_gps_time_without_leap_seconds() -> None:
    """Unix time minus 315964800 s plus 18 leap seconds, in milliseconds."""
    (reception,) = rxpk.parse(GOOD | {"tmms": 1468803741456}, gateway=GATEWAY, token=0)
    assert reception.satellite == from_gps(timedelta(milliseconds=1468803741456))
    assert reception.satellite is not None
    assert reception.satellite.isoformat() == "2026-07-23T01:02:03.456000+00:00"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("time", "tmms", "tmst", "ftime", "freq", "chan", "rfch", "brd", "stat", "modu", "datr"),
    *("codr", "rssi", "lsnr", "hpw", "size", "data", "rsig", "meta", "lati", "long", "alti"),
)


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), json_values)
def test_any_fields_give_a_frame_or_a_reason(fields: dict[str, object], stat: object) -> None:
    (reception, *_) = rxpk.parse(
        fields | {"stat": 1, "data": "AQIDBAU="}, gateway=GATEWAY, token=0, stat=stat
    )
    assert reception.frame.SerializeToString()
    if isinstance(stat, dict):
        assert rxpk.parse_stat(stat, gateway=GATEWAY).gateway_id == GATEWAY


@given(json_values)
def test_any_entry_gives_a_frame_or_a_reason(entry: object) -> None:
    try:
        receptions = rxpk.parse(entry, gateway=GATEWAY, token=0)
    except RxpkError as error:
        reason = error.reason
    else:
        reason = "" if receptions else "nothing"
    assert reason in {"", "not_object", "crc_bad", "crc_absent", "no_data", "bad_base64"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe{}", b"[" * 50_000, b"nul", b"9" * 5000])
def test_what_is_no_json_says_so(body: bytes) -> None:
    with pytest.raises(RxpkError) as caught:
        rxpk.load(body)
    assert caught.value.reason in ("not_json", "not_object")
