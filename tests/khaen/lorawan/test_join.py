"""Joining, against what others published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.frame import JoinAccept, JoinRequest, parse
from khaen.lorawan.join import (
    JoinGrant,
    derive_session_keys,
    open_join_accept,
    seal_join_accept,
    seal_join_request,
    verify_join_request,
)

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())
OTHER_KEY = bytes(16)

keys = st.binary(min_size=16, max_size=16)
grants = st.builds(
    JoinGrant,
    join_nonce=st.integers(0, 0xFF_FFFF),
    net_id=st.binary(min_size=3, max_size=3).map(bytes.hex),
    dev_addr=st.binary(min_size=4, max_size=4).map(lambda raw: DevAddr(raw.hex())),
    dl_settings=st.integers(0, 127),
    rx_delay=st.integers(0, 15),
    cf_list=st.one_of(st.just(b""), st.binary(min_size=16, max_size=16)),
)


def parse_accept(phy: bytes) -> JoinAccept:
    frame = parse(phy)
    assert isinstance(frame, JoinAccept)
    return frame


def test_published_join_request() -> None:
    vector = VECTORS["join_request"]
    app_key = bytes.fromhex(vector["app_key"])
    phy = seal_join_request(
        app_key,
        join_eui=vector["join_eui"],
        dev_eui=DevEui(vector["dev_eui"]),
        dev_nonce=vector["dev_nonce"],
    )
    assert phy.hex() == vector["phy_payload"]
    frame = parse(phy)
    assert isinstance(frame, JoinRequest)
    assert verify_join_request(app_key, frame)
    assert not verify_join_request(OTHER_KEY, frame)


def test_published_join_accept() -> None:
    vector = VECTORS["join_accept"]
    app_key = bytes.fromhex(vector["app_key"])
    grant = JoinGrant(
        join_nonce=vector["join_nonce"],
        net_id=vector["net_id"],
        dev_addr=DevAddr(vector["dev_addr"]),
    )
    assert seal_join_accept(app_key, grant).hex() == vector["phy_payload"]
    frame = parse_accept(bytes.fromhex(vector["phy_payload"]))
    assert open_join_accept(app_key, frame) == grant
    assert open_join_accept(OTHER_KEY, frame) is None


def test_published_join_accept_of_1_1_is_not_taken() -> None:
    vector = VECTORS["join_accept_1_1"]
    frame = parse_accept(bytes.fromhex(vector["phy_payload"]))
    assert open_join_accept(bytes.fromhex(vector["app_key"]), frame) is None


def test_published_session_keys() -> None:
    vector = VECTORS["session_keys"]
    session = derive_session_keys(
        bytes.fromhex(vector["app_key"]),
        join_nonce=vector["join_nonce"],
        net_id=vector["net_id"],
        dev_nonce=vector["dev_nonce"],
    )
    assert session.nwk_s_key.hex() == vector["nwk_s_key"]
    assert session.app_s_key.hex() == vector["app_s_key"]
    assert repr(session) == "SessionKeys()"


@given(app_key=keys, wrong=keys, grant=grants)
def test_sealed_join_accepts_are_opened_by_their_key_only(
    app_key: bytes, wrong: bytes, grant: JoinGrant
) -> None:
    assume(app_key != wrong)
    frame = parse_accept(seal_join_accept(app_key, grant))
    assert open_join_accept(app_key, frame) == grant
    assert open_join_accept(wrong, frame) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"join_nonce": 2**24},
        {"net_id": "0102"},
        {"dev_addr": "010203"},
        {"cf_list": bytes(15)},
        {"rx_delay": 256},
    ],
)
def test_a_grant_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"join_nonce": 1, "net_id": "000013", "dev_addr": "01020304"}
    with pytest.raises(ValueError, match=r"."):
        seal_join_accept(OTHER_KEY, JoinGrant(**{**fields, **wrong}))


def test_a_nonce_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="DevNonce"):
        derive_session_keys(OTHER_KEY, join_nonce=1, net_id="000013", dev_nonce=-1)
