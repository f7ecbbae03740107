"""Bytes of the air to frames and back: layout, flags, and what is no frame."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khaen.errors import DecodeError
from khaen.ids import DevAddr, DevEui
from khaen.lorawan.frame import (
    DataFrame,
    Frame,
    FrameError,
    JoinAccept,
    JoinRequest,
    MType,
    OtherFrame,
    build_data,
    build_join_request,
    parse,
)

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())
UPLINKS = (MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP)
DOWNLINKS = (MType.UNCONFIRMED_DATA_DOWN, MType.CONFIRMED_DATA_DOWN)
ADDRESS = DevAddr("01020304")

dev_addrs = st.binary(min_size=4, max_size=4).map(lambda raw: DevAddr(raw.hex()))
euis = st.binary(min_size=8, max_size=8).map(bytes.hex)


def parse_data(phy: bytes) -> DataFrame:
    frame = parse(phy)
    assert isinstance(frame, DataFrame)
    return frame


@pytest.mark.parametrize("vector", VECTORS["uplinks"], ids=lambda vector: vector["dev_addr"])
def test_published_uplink_is_taken_apart(vector: dict[str, Any]) -> None:
    phy = bytes.fromhex(vector["phy_payload"])
    frame = parse_data(phy)
    assert frame.uplink
    assert frame.confirmed is vector["confirmed"]
    assert frame.dev_addr == vector["dev_addr"]
    assert frame.f_cnt16 == vector["f_cnt"]
    assert frame.f_port == vector["f_port"]
    assert frame.f_opts.hex() == vector["f_opts"]
    assert len(frame.frm_payload) == len(bytes.fromhex(vector["payload"]))
    assert frame.mic == phy[-4:]
    assert frame.raw == phy
    flags = (frame.adr, frame.ack, frame.adr_ack_req, frame.class_b, frame.f_pending)
    assert flags == (False,) * 5


@pytest.mark.parametrize("name", ["join_request", "join_request_order"])
def test_published_join_request_is_taken_apart_and_built(name: str) -> None:
    vector = VECTORS[name]
    phy = bytes.fromhex(vector["phy_payload"])
    frame = parse(phy)
    assert isinstance(frame, JoinRequest)
    assert (frame.join_eui, frame.dev_eui) == (vector["join_eui"], vector["dev_eui"])
    assert frame.dev_nonce == vector["dev_nonce"]
    assert frame.mic == phy[-4:]
    built = build_join_request(
        join_eui=frame.join_eui, dev_eui=frame.dev_eui, dev_nonce=frame.dev_nonce
    )
    assert built == phy[:-4]


def test_join_accept_is_kept_whole() -> None:
    phy = bytes.fromhex(VECTORS["join_accept"]["phy_payload"])
    assert parse(phy) == JoinAccept(raw=phy)
    long = phy + bytes(16)
    assert parse(long) == JoinAccept(raw=long)


def test_other_messages_are_carried_unopened() -> None:
    # ChirpStack, lrwn/src/phy_payload.rs, test_proprietary
    for phy in (b"\xe0", b"\xe0\x01\x02\x03", b"\xff"):
        frame = parse(phy)
        assert frame == OtherFrame(mtype=MType.PROPRIETARY, raw=phy)
        assert isinstance(frame, OtherFrame)
        assert frame.proprietary
        assert not frame.rejoin
    rejoin = parse(b"\xc0" + bytes(18))
    assert isinstance(rejoin, OtherFrame)
    assert rejoin.rejoin
    assert not rejoin.proprietary


def test_frame_without_port_has_none_and_no_payload() -> None:
    frame = parse_data(build_data(mtype=UPLINKS[0], dev_addr=ADDRESS, f_cnt=7) + bytes(4))
    assert frame.f_port is None
    assert frame.frm_payload == b""
    assert len(frame.raw) == 12


def test_port_without_payload_is_kept_apart_from_no_port() -> None:
    phy = build_data(mtype=UPLINKS[0], dev_addr=ADDRESS, f_cnt=7, f_port=0) + bytes(4)
    frame = parse_data(phy)
    assert frame.f_port == 0
    assert frame.frm_payload == b""


@pytest.mark.parametrize(
    ("f_ctrl", "uplink_flags", "downlink_flags"),
    [
        (0x80, {"adr"}, {"adr"}),
        (0x40, {"adr_ack_req"}, set()),
        (0x20, {"ack"}, {"ack"}),
        (0x10, {"class_b"}, {"f_pending"}),
    ],
)
def test_flags_mean_what_their_direction_says(
    f_ctrl: int, uplink_flags: set[str], downlink_flags: set[str]
) -> None:
    names = ("adr", "adr_ack_req", "ack", "class_b", "f_pending")
    for mtype, expected in ((UPLINKS[0], uplink_flags), (DOWNLINKS[0], downlink_flags)):
        frame = parse_data(bytes((mtype << 5, 4, 3, 2, 1, f_ctrl, 0, 0)) + bytes(4))
        assert {name for name in names if getattr(frame, name)} == expected


@pytest.mark.parametrize(
    ("phy", "offset"),
    [
        ("", 0),
        ("40", 1),
        ("4004030201000000010203", 11),  # one byte below the smallest data frame
        ("4004030201030000067301020304", 10),  # two of three bytes of FOpts
        ("400403020100000001020304" + "00" * 244, 255),
        ("410403020100000001020304", 0),  # a major version to come
        ("00" * 22, 22),
        ("00" * 24, 23),
        ("20" + "00" * 15, 16),
        ("20" + "00" * 17, 18),
    ],
)
def test_what_is_no_frame_says_where(phy: str, offset: int) -> None:
    with pytest.raises(FrameError) as caught:
        parse(bytes.fromhex(phy))
    assert caught.value.offset == offset
    assert isinstance(caught.value, DecodeError)


def test_longest_frame_of_the_air_is_taken() -> None:
    phy = bytes.fromhex("4004030201000000") + bytes(247)
    assert len(phy) == 255
    assert len(parse_data(phy).frm_payload) == 242


def parse_or_error(phy: bytes) -> Frame | FrameError:
    try:
        return parse(phy)
    except FrameError as error:
        return error


@given(st.binary(max_size=300))
@settings(max_examples=500)
def test_any_bytes_are_a_frame_or_a_frame_error(phy: bytes) -> None:
    outcome = parse_or_error(phy)
    if isinstance(outcome, FrameError):
        assert outcome.offset is not None
        assert 0 <= outcome.offset <= len(phy)
    else:
        assert outcome.raw == phy


@given(st.sampled_from(UPLINKS + DOWNLINKS), st.binary(min_size=11, max_size=60))
@settings(max_examples=300)
def test_any_bytes_behind_a_data_header_are_accounted_for(mtype: MType, rest: bytes) -> None:
    phy = bytes((mtype << 5,)) + rest
    outcome = parse_or_error(phy)
    if isinstance(outcome, FrameError):
        assert outcome.offset == len(phy) - 4
        assert (phy[5] & 0x0F) > len(phy) - 12
    else:
        assert isinstance(outcome, DataFrame)
        port = b"" if outcome.f_port is None else bytes((outcome.f_port,))
        rebuilt = outcome.f_opts + port + outcome.frm_payload + outcome.mic
        assert phy[:8] + rebuilt == phy


@given(
    mtype=st.sampled_from(UPLINKS + DOWNLINKS),
    dev_addr=dev_addrs,
    f_cnt=st.integers(0, 2**32 - 1),
    f_port=st.one_of(st.none(), st.integers(0, 255)),
    payload=st.binary(max_size=222),
    f_opts=st.binary(max_size=15),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    mic=st.binary(min_size=4, max_size=4),
)
def test_built_data_frames_are_read_back(
    mtype: MType,
    dev_addr: DevAddr,
    f_cnt: int,
    f_port: int | None,
    payload: bytes,
    f_opts: bytes,
    flags: tuple[bool, bool, bool, bool],
    mic: bytes,
) -> None:
    uplink = mtype in UPLINKS
    adr, ack, adr_ack_req, fourth = flags
    message = build_data(
        mtype=mtype,
        dev_addr=dev_addr,
        f_cnt=f_cnt,
        f_port=f_port,
        frm_payload=b"" if f_port is None else payload,
        f_opts=f_opts,
        adr=adr,
        ack=ack,
        adr_ack_req=adr_ack_req and uplink,
        class_b=fourth and uplink,
        f_pending=fourth and not uplink,
    )
    frame = parse_data(message + mic)
    assert (frame.mtype, frame.uplink, frame.dev_addr) == (mtype, uplink, dev_addr)
    assert frame.f_cnt16 == f_cnt & 0xFFFF
    assert (frame.f_port, frame.f_opts, frame.mic) == (f_port, f_opts, mic)
    assert frame.frm_payload == (b"" if f_port is None else payload)
    assert (frame.adr, frame.ack) == (adr, ack)
    assert frame.adr_ack_req == (adr_ack_req and uplink)
    assert (frame.class_b, frame.f_pending) == (fourth and uplink, fourth and not uplink)


@given(join_eui=euis, dev_eui=euis, dev_nonce=st.integers(0, 0xFFFF))
def test_built_join_requests_are_read_back(join_eui: str, dev_eui: str, dev_nonce: int) -> None:
    message = build_join_request(join_eui=join_eui, dev_eui=DevEui(dev_eui), dev_nonce=dev_nonce)
    frame = parse(message + b"\x01\x02\x03\x04")
    assert frame == JoinRequest(
        join_eui=join_eui,
        dev_eui=DevEui(dev_eui),
        dev_nonce=dev_nonce,
        mic=b"\x01\x02\x03\x04",
        raw=message + b"\x01\x02\x03\x04",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"mtype": MType.JOIN_REQUEST},
        {"frm_payload": b"\x01"},
        {"f_opts": bytes(16)},
        {"f_port": 256},
        {"f_pending": True},
        {"mtype": MType.CONFIRMED_DATA_DOWN, "class_b": True},
        {"mtype": MType.CONFIRMED_DATA_DOWN, "adr_ack_req": True},
        {"dev_addr": DevAddr("0102030405")},
        {"f_port": 1, "frm_payload": bytes(243)},
    ],
)
def test_what_no_frame_can_carry_is_refused(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"mtype": UPLINKS[0], "dev_addr": ADDRESS, "f_cnt": 0, **wrong}
    with pytest.raises(ValueError, match=r"."):
        build_data(**fields)


def test_join_request_with_a_short_eui_is_refused() -> None:
    with pytest.raises(ValueError, match="EUI"):
        build_join_request(join_eui="0102", dev_eui=DevEui("0102030405060708"), dev_nonce=1)
    with pytest.raises(ValueError, match="DevNonce"):
        build_join_request(join_eui="00" * 8, dev_eui=DevEui("00" * 8), dev_nonce=0x1_0000)


def test_frames_cannot_be_altered() -> None:
    frame = parse_data(bytes.fromhex(VECTORS["uplinks"][0]["phy_payload"]))
    with pytest.raises(FrozenInstanceError):
        frame.f_cnt16 = 1  # type: ignore[misc]


def test_a_gateway_needs_no_cryptography() -> None:
    """Frames, counters, region and air time load where cryptography is not installed."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import khaen.lorawan.frame, khaen.lorawan.counter\n"
        "import khaen.lorawan.region, khaen.lorawan.airtime\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
