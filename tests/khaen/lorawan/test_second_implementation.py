"""Khaen's LoRaWAN against pamoja-lorawan, an implementation in Rust by others.

Both sides build and open each other's frames, so that an error shared by our own sealing and
opening cannot hide.
"""

from __future__ import annotations

import pamoja.lorawan as other
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, JoinAccept, JoinRequest, parse
from khaen.lorawan.join import (
    JoinGrant,
    derive_session_keys,
    open_join_accept,
    seal_join_accept,
    seal_join_request,
    verify_join_request,
)

keys = st.binary(min_size=16, max_size=16)
euis = st.binary(min_size=8, max_size=8)
addresses = st.integers(0, 2**32 - 1)
counters = st.integers(0, 2**32 - 1)
ports = st.integers(1, 223)
grants = st.builds(
    JoinGrant,
    join_nonce=st.integers(0, 0xFF_FFFF),
    net_id=st.binary(min_size=3, max_size=3).map(bytes.hex),
    dev_addr=addresses.map(lambda number: DevAddr(f"{number:08x}")),
    dl_settings=st.integers(0, 127),
    rx_delay=st.integers(0, 15),
    cf_list=st.one_of(st.just(b""), st.binary(min_size=16, max_size=16)),
)


def cipher_of(address: int, nwk_s_key: bytes, app_s_key: bytes) -> SessionCipher:
    return SessionCipher(
        dev_addr=DevAddr(f"{address:08x}"), nwk_s_key=nwk_s_key, app_s_key=app_s_key
    )


def other_grant(grant: JoinGrant) -> other.Grant:
    return other.grant(
        grant.join_nonce,
        int(grant.net_id, 16),
        int(grant.dev_addr, 16),
        grant.dl_settings,
        grant.rx_delay,
        grant.cf_list or None,
    )


@given(
    address=addresses,
    nwk_s_key=keys,
    app_s_key=keys,
    f_cnt=counters,
    f_port=ports,
    payload=st.binary(max_size=222),
    f_opts=st.binary(max_size=15),
    confirmed=st.booleans(),
    uplink=st.booleans(),
)
def test_data_frames_are_the_same_to_the_byte(
    address: int,
    nwk_s_key: bytes,
    app_s_key: bytes,
    f_cnt: int,
    f_port: int,
    payload: bytes,
    f_opts: bytes,
    confirmed: bool,
    uplink: bool,
) -> None:
    cipher = cipher_of(address, nwk_s_key, app_s_key)
    session = other.session(address, nwk_s_key, app_s_key)
    seal = cipher.seal_uplink if uplink else cipher.seal_downlink
    encode = session.encode_uplink if uplink else session.encode_downlink
    ours = seal(
        f_cnt=f_cnt, f_port=f_port, payload=payload, confirmed=confirmed, f_opts=f_opts, adr=True
    )
    theirs = encode(f_cnt, f_port, payload, confirmed=confirmed, adr=True, fopts=f_opts)
    assert ours == theirs
    read = session.decode(ours, f_cnt)
    frame = parse(theirs)
    assert isinstance(frame, DataFrame)
    assert cipher.open(frame, f_cnt) == read.payload == payload
    assert frame.f_opts == read.fopts
    assert (frame.f_cnt16, frame.f_port, frame.adr) == (read.fcnt, read.fport, read.adr)


@given(app_key=keys, join_eui=euis, dev_eui=euis, dev_nonce=st.integers(0, 0xFFFF))
def test_join_requests_are_the_same_to_the_byte(
    app_key: bytes, join_eui: bytes, dev_eui: bytes, dev_nonce: int
) -> None:
    theirs = other.device(dev_eui, join_eui, app_key).join_request(dev_nonce)
    ours = seal_join_request(
        app_key, join_eui=join_eui.hex(), dev_eui=DevEui(dev_eui.hex()), dev_nonce=dev_nonce
    )
    assert ours == theirs
    frame = parse(theirs)
    assert isinstance(frame, JoinRequest)
    assert verify_join_request(app_key, frame)
    read = other.parse_join_request(ours, app_key)
    assert (frame.dev_eui, frame.join_eui) == (read.dev_eui.hex(), read.app_eui.hex())
    assert frame.dev_nonce == read.dev_nonce


@given(app_key=keys, dev_nonce=st.integers(0, 0xFFFF), grant=grants)
def test_join_accepts_and_the_sessions_they_make_are_the_same(
    app_key: bytes, dev_nonce: int, grant: JoinGrant
) -> None:
    theirs = other_grant(grant)
    phy = theirs.accept(app_key, dev_nonce)
    assert seal_join_accept(app_key, grant) == phy
    frame = parse(phy)
    assert isinstance(frame, JoinAccept)
    assert open_join_accept(app_key, frame) == grant
    session = derive_session_keys(
        app_key, join_nonce=grant.join_nonce, net_id=grant.net_id, dev_nonce=dev_nonce
    )
    cipher = SessionCipher(
        dev_addr=grant.dev_addr, nwk_s_key=session.nwk_s_key, app_s_key=session.app_s_key
    )
    uplink = theirs.session(app_key, dev_nonce).encode_uplink(1, 2, b"\x01\x02\x03")
    assert cipher.seal_uplink(f_cnt=1, f_port=2, payload=b"\x01\x02\x03") == uplink


@pytest.mark.parametrize("f_cnt", [0, 0xFFFF, 0x1_0000, 0xFFFF_FFFF])
def test_the_high_half_of_the_counter_counts(f_cnt: int) -> None:
    session = other.session(0x00189440, bytes(16), bytes(16))
    frame = parse(session.encode_uplink(f_cnt, 2, b"\x01"))
    assert isinstance(frame, DataFrame)
    cipher = cipher_of(0x00189440, bytes(16), bytes(16))
    assert cipher.open(frame, f_cnt) == b"\x01"
    assert cipher.open(frame, f_cnt ^ 0x1_0000) is None
