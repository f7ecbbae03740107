"""Joining: requests, accepts and the session keys they make (LoRaWAN L2 1.0.4, section 6.2).

Keys are 16 bytes and never appear in a repr. EUIs, DevAddr and NetID are lower-case hex digits,
most significant first; nonces are integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.crypto import blocks, sign
from khaen.lorawan.frame import (
    MIC_SIZE,
    JoinAccept,
    JoinRequest,
    MType,
    build_join_request,
)

_MHDR = bytes((MType.JOIN_ACCEPT << 5,))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKeys:
    """What a join derives, 16 bytes each."""

    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGrant:
    """What a join accept says inside. `net_id` is 6 lower-case hex digits, most significant first.

    `rx_delay` in seconds (0 means 1); `cf_list` has 16 bytes or none.
    """

    join_nonce: int
    net_id: str
    dev_addr: DevAddr
    dl_settings: int = 0
    rx_delay: int = 0
    cf_list: bytes = b""


def seal_join_request(app_key: bytes, *, join_eui: str, dev_eui: DevEui, dev_nonce: int) -> bytes:
    """Return a complete join request as the device sends it. Raises ValueError if it cannot be."""
    message = build_join_request(join_eui=join_eui, dev_eui=dev_eui, dev_nonce=dev_nonce)
    return message + sign(app_key, message)


def verify_join_request(app_key: bytes, frame: JoinRequest) -> bool:
    """Return whether the holder of the AppKey sent the join request."""
    return compare_digest(sign(app_key, frame.raw[:-MIC_SIZE]), frame.mic)


def seal_join_accept(app_key: bytes, grant: JoinGrant) -> bytes:
    """Return a complete join accept as a network sends it. Raises ValueError if it cannot be."""
    address = bytes.fromhex(grant.dev_addr)[::-1]
    if len(address) != 4 or len(grant.cf_list) not in (0, 16):
        raise ValueError("a DevAddr has 4 bytes, a CFList 16")
    settings = bytes((grant.dl_settings, grant.rx_delay))
    plain = _nonce_and_net_id(grant.join_nonce, grant.net_id) + address
    plain += settings + grant.cf_list
    plain += sign(app_key, _MHDR + plain)
    # The network decrypts so that the device needs AES encryption only.
    return _MHDR + blocks(app_key).decryptor().update(plain)


def open_join_accept(app_key: bytes, frame: JoinAccept) -> JoinGrant | None:
    """Return what the join accept grants, or None when the AppKey is not its key.

    A join accept of LoRaWAN 1.1 (OptNeg set) has another MIC and gives None.
    """
    plain = blocks(app_key).encryptor().update(frame.raw[1:])
    body, mic = plain[:-MIC_SIZE], plain[-MIC_SIZE:]
    if not compare_digest(sign(app_key, frame.raw[:1] + body), mic):
        return None
    return JoinGrant(
        join_nonce=int.from_bytes(body[0:3], "little"),
        net_id=body[5:2:-1].hex(),
        dev_addr=DevAddr(body[9:5:-1].hex()),
        dl_settings=body[10],
        rx_delay=body[11],
        cf_list=body[12:],
    )


def derive_session_keys(
    app_key: bytes, *, join_nonce: int, net_id: str, dev_nonce: int
) -> SessionKeys:
    """Return the session keys of a join. Raises ValueError for what does not fit its field."""
    if not 0 <= dev_nonce <= 0xFFFF:
        raise ValueError("a DevNonce has 2 bytes")
    seed = _nonce_and_net_id(join_nonce, net_id) + dev_nonce.to_bytes(2, "little") + bytes(7)
    encrypt = blocks(app_key).encryptor().update
    return SessionKeys(nwk_s_key=encrypt(b"\x01" + seed), app_s_key=encrypt(b"\x02" + seed))


def _nonce_and_net_id(join_nonce: int, net_id: str) -> bytes:
    network = bytes.fromhex(net_id)[::-1]
    if not 0 <= join_nonce <= 0xFF_FFFF or len(network) != 3:
        raise ValueError("a JoinNonce and a NetID have 3 bytes each")
    return join_nonce.to_bytes(3, "little") + network
