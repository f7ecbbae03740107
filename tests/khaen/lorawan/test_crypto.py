"""Integrity and encryption of data frames, against what others published."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from khaen.ids import DevAddr
from khaen.lorawan.counter import candidates
from khaen.lorawan.crypto import SessionCipher, crypt_payload, data_mic, sign, verify
from khaen.lorawan.frame import DataFrame, FrameError, parse

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())

keys = st.binary(min_size=16, max_size=16)
dev_addrs = st.binary(min_size=4, max_size=4).map(lambda raw: DevAddr(raw.hex()))
counters = st.integers(0, 2**32 - 1)
NWK_S_KEY = bytes(range(16))
APP_S_KEY = bytes(range(16, 32))
CIPHER = SessionCipher(dev_addr=DevAddr("00189440"), nwk_s_key=NWK_S_KEY, app_s_key=APP_S_KEY)


def parse_data(phy: bytes) -> DataFrame:
    frame = parse(phy)
    assert isinstance(frame, DataFrame)
    return frame


def cipher_of(vector: dict[str, Any]) -> SessionCipher:
    return SessionCipher(
        dev_addr=DevAddr(vector["dev_addr"]),
        nwk_s_key=bytes.fromhex(vector["nwk_s_key"]),
        app_s_key=bytes.fromhex(vector["app_s_key"]),
    )


@pytest.mark.parametrize("example", VECTORS["cmac"]["examples"], ids=lambda one: one["mic"])
def test_cmac_is_that_of_rfc_4493(example: dict[str, str]) -> None:
    key = bytes.fromhex(VECTORS["cmac"]["key"])
    assert sign(key, bytes.fromhex(example["message"])).hex() == example["mic"]


@pytest.mark.parametrize("vector", VECTORS["uplinks"], ids=lambda vector: vector["dev_addr"])
def test_published_uplink_is_opened(vector: dict[str, Any]) -> None:
    frame = parse_data(bytes.fromhex(vector["phy_payload"]))
    payload = cipher_of(vector).open(frame, vector["f_cnt"])
    assert payload is not None
    assert payload.hex() == vector["payload"]


@pytest.mark.parametrize("vector", VECTORS["uplinks"], ids=lambda vector: vector["dev_addr"])
def test_published_uplink_is_sealed_to_the_byte(vector: dict[str, Any]) -> None:
    phy = cipher_of(vector).seal_uplink(
        f_cnt=vector["f_cnt"],
        f_port=vector["f_port"],
        payload=bytes.fromhex(vector["payload"]),
        confirmed=vector["confirmed"],
        f_opts=bytes.fromhex(vector["f_opts"]),
    )
    assert phy.hex() == vector["phy_payload"]


@pytest.mark.parametrize("vector", VECTORS["uplinks"], ids=lambda vector: vector["dev_addr"])
def test_plain_functions_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    phy = bytes.fromhex(vector["phy_payload"])
    frame = parse_data(phy)
    nwk_s_key, app_s_key = (bytes.fromhex(vector[name]) for name in ("nwk_s_key", "app_s_key"))
    assert data_mic(nwk_s_key, frame.dev_addr, vector["f_cnt"], True, phy[:-4]) == phy[-4:]
    assert verify(nwk_s_key, frame, vector["f_cnt"])
    assert not verify(app_s_key, frame, vector["f_cnt"])
    payload = crypt_payload(app_s_key, frame.dev_addr, vector["f_cnt"], True, frame.frm_payload)
    assert payload.hex() == vector["payload"]


@given(
    nwk_s_key=keys,
    app_s_key=keys,
    dev_addr=dev_addrs,
    f_cnt=counters,
    f_port=st.integers(0, 255),
    payload=st.binary(max_size=222),
    f_opts=st.binary(max_size=15),
    uplink=st.booleans(),
    confirmed=st.booleans(),
)
def test_sealed_frames_are_opened(
    nwk_s_key: bytes,
    app_s_key: bytes,
    dev_addr: DevAddr,
    f_cnt: int,
    f_port: int,
    payload: bytes,
    f_opts: bytes,
    uplink: bool,
    confirmed: bool,
) -> None:
    cipher = SessionCipher(dev_addr=dev_addr, nwk_s_key=nwk_s_key, app_s_key=app_s_key)
    seal = cipher.seal_uplink if uplink else cipher.seal_downlink
    phy = seal(f_cnt=f_cnt, f_port=f_port, payload=payload, f_opts=f_opts, confirmed=confirmed)
    frame = parse_data(phy)
    assert (frame.uplink, frame.confirmed, frame.f_port) == (uplink, confirmed, f_port)
    assert frame.f_opts == f_opts
    assert cipher.open(frame, f_cnt) == payload
    key = app_s_key if f_port else nwk_s_key
    assert frame.frm_payload == crypt_payload(key, dev_addr, f_cnt, uplink, payload)


@given(right=keys, wrong=keys, f_cnt=counters, payload=st.binary(max_size=51))
def test_a_wrong_key_never_verifies(right: bytes, wrong: bytes, f_cnt: int, payload: bytes) -> None:
    assume(right != wrong)
    address = DevAddr("00189440")
    sealer = SessionCipher(dev_addr=address, nwk_s_key=right, app_s_key=APP_S_KEY)
    opener = SessionCipher(dev_addr=address, nwk_s_key=wrong, app_s_key=APP_S_KEY)
    frame = parse_data(sealer.seal_uplink(f_cnt=f_cnt, f_port=2, payload=payload))
    assert sealer.verify(frame, f_cnt)
    assert not opener.verify(frame, f_cnt)
    assert opener.open(frame, f_cnt) is None


@given(f_cnt=counters, other=counters)
def test_a_wrong_counter_never_verifies(f_cnt: int, other: int) -> None:
    assume(f_cnt != other)
    frame = parse_data(CIPHER.seal_uplink(f_cnt=f_cnt, f_port=2, payload=b"\x01\x02"))
    assert not CIPHER.verify(frame, other)


@given(bit=st.integers(0, 8 * 24 - 1))
def test_one_bit_changed_in_the_air_is_noticed(bit: int) -> None:
    phy = bytearray(CIPHER.seal_uplink(f_cnt=5, f_port=2, payload=bytes(11)))
    assert len(phy) == 24
    phy[bit // 8] ^= 1 << bit % 8
    try:
        frame = parse(bytes(phy))
    except FrameError:
        return
    assert not isinstance(frame, DataFrame) or CIPHER.open(frame, 5) is None


def test_counter_is_found_among_its_candidates() -> None:
    f_cnt = 0x0002_0003
    frame = parse_data(CIPHER.seal_uplink(f_cnt=f_cnt, f_port=2, payload=b"\x01"))
    assert CIPHER.find_f_cnt(frame, candidates(frame.f_cnt16, 0x0001_FFFE)) == f_cnt
    assert CIPHER.find_f_cnt(frame, candidates(frame.f_cnt16, None)) == f_cnt
    assert CIPHER.find_f_cnt(frame, candidates(frame.f_cnt16, 0x00FF_0000)) is None


def test_frame_without_port_opens_to_nothing() -> None:
    frame = parse_data(CIPHER.seal_uplink(f_cnt=9, f_opts=b"\x02"))
    assert frame.f_port is None
    assert CIPHER.open(frame, 9) == b""


def test_one_cipher_serves_several_threads() -> None:
    payloads = [bytes((number,)) * (number % 60) for number in range(250)]

    def round_trip(number: int) -> bool:
        f_cnt = number * 7919
        phy = CIPHER.seal_uplink(f_cnt=f_cnt, f_port=1, payload=payloads[number % 250])
        return CIPHER.open(parse_data(phy), f_cnt) == payloads[number % 250]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trip, range(2000), chunksize=50))


@pytest.mark.parametrize("size", [0, 15, 17, 24, 32])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        SessionCipher(dev_addr=DevAddr("00189440"), nwk_s_key=bytes(size), app_s_key=APP_S_KEY)
    with pytest.raises(ValueError, match="16 bytes"):
        SessionCipher(dev_addr=DevAddr("00189440"), nwk_s_key=NWK_S_KEY, app_s_key=bytes(size))


@pytest.mark.parametrize(
    "wrong",
    [
        {"f_cnt": -1},
        {"f_cnt": 2**32},
        {"f_cnt": 0, "payload": b"\x01"},
        {"f_cnt": 0, "f_port": 1, "payload": bytes(243)},
        {"f_cnt": 0, "f_port": 1, "payload": bytes(5000)},
    ],
)
def test_what_cannot_be_sent_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        CIPHER.seal_uplink(**wrong)


def test_keys_stay_out_of_a_repr() -> None:
    assert repr(CIPHER) == "SessionCipher(dev_addr='00189440')"
