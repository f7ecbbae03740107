"""Integrity codes and encryption of data frames (LoRaWAN L2 1.0.4, sections 4.3.3 and 4.4).

Keys are 16 bytes and never appear in a repr.
"""

from __future__ import annotations

import struct
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from khaen.lorawan.frame import MIC_SIZE, DataFrame, MType, build_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from khaen.ids import DevAddr

_KEY_SIZE: Final = 16
_BLOCK: Final = 16
# 0x49 ‖ 0×4 ‖ dir ‖ DevAddr ‖ FCnt32 ‖ 0 ‖ length, and the same with 0x01 and the block's number.
_HEAD = struct.Struct("<B4xB4sIxB")
_MIC_HEAD, _CRYPT_HEAD = 0x49, 0x01


def _aes(key: bytes) -> algorithms.AES:
    """Return the block cipher under a key. Raises ValueError unless it has 16 bytes."""
    if len(key) != _KEY_SIZE:
        raise ValueError("a LoRaWAN key has 16 bytes")
    return algorithms.AES(key)


def blocks(key: bytes) -> Cipher[modes.ECB]:
    """Return AES block by block, on which LoRaWAN builds keystreams, joins and session keys."""
    return Cipher(_aes(key), modes.ECB())  # noqa: S305 the specification says so


def sign(key: bytes, message: bytes) -> bytes:
    """Return the four bytes of AES-CMAC (RFC 4493) that LoRaWAN sends as a MIC."""
    mac = CMAC(_aes(key))
    mac.update(message)
    return mac.finalize()[:MIC_SIZE]


def _address(dev_addr: DevAddr) -> bytes:
    address = bytes.fromhex(dev_addr)[::-1]
    if len(address) != 4:
        raise ValueError("a DevAddr has 4 bytes")
    return address


class _Mac:
    """AES-CMAC under one key; copying the keyed state costs a third of keying it anew."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = CMAC(_aes(key))

    def sign(self, message: bytes) -> bytes:
        mac = self._keyed.copy()
        mac.update(message)
        return mac.finalize()[:MIC_SIZE]


class _Keystream:
    """The payload cipher under one key.

    ECB and one xor, not CTR: without a state between calls one object serves several threads.
    """

    __slots__ = ("_encrypt",)

    def __init__(self, key: bytes) -> None:
        self._encrypt = blocks(key).encryptor().update

    def crypt(self, address: bytes, f_cnt: int, direction: int, data: bytes) -> bytes:
        size = len(data)
        count = -(-size // _BLOCK)
        head = _HEAD.pack(_CRYPT_HEAD, direction, address, f_cnt, 1)
        if count > 1:
            head = b"".join([head[:-1] + bytes((number,)) for number in range(1, count + 1)])
        stream = self._encrypt(head)[:size]
        mixed = int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")
        return mixed.to_bytes(size, "little")


class SessionCipher:
    """One session's keys, made ready once: signs, verifies and opens its frames.

    Safe to share between threads. `f_cnt` is always the whole 32-bit counter.
    """

    __slots__ = ("_address", "_app", "_mac", "_nwk", "dev_addr")

    def __init__(self, *, dev_addr: DevAddr, nwk_s_key: bytes, app_s_key: bytes) -> None:
        self.dev_addr = dev_addr
        self._address = _address(dev_addr)
        self._mac = _Mac(nwk_s_key)
        self._nwk = _Keystream(nwk_s_key)
        self._app = _Keystream(app_s_key)

    def __repr__(self) -> str:
        return f"SessionCipher(dev_addr={self.dev_addr!r})"

    def mic(self, message: bytes, *, f_cnt: int, uplink: bool) -> bytes:
        """Return the MIC of a data frame, `message` being all of it but the MIC."""
        direction = 0 if uplink else 1
        head = _HEAD.pack(_MIC_HEAD, direction, self._address, f_cnt, len(message))
        return self._mac.sign(head + message)

    def verify(self, frame: DataFrame, f_cnt: int) -> bool:
        """Return whether this session's device (or network) sent the frame with that counter."""
        message = frame.raw[:-MIC_SIZE]
        return compare_digest(self.mic(message, f_cnt=f_cnt, uplink=frame.uplink), frame.mic)

    def find_f_cnt(self, frame: DataFrame, candidates: Iterable[int]) -> int | None:
        """Return the first candidate counter with which the frame verifies, or None."""
        for f_cnt in candidates:
            if self.verify(frame, f_cnt):
                return f_cnt
        return None

    def crypt(self, data: bytes, *, f_port: int, f_cnt: int, uplink: bool) -> bytes:
        """Encrypt or decrypt a payload; port 0 goes by the network's key, others by the other."""
        stream = self._app if f_port else self._nwk
        return stream.crypt(self._address, f_cnt, 0 if uplink else 1, data)

    def decrypt(self, frame: DataFrame, f_cnt: int) -> bytes:
        """Return the frame's payload, whose MIC the caller has verified; empty without a port."""
        if not frame.frm_payload or frame.f_port is None:
            return b""
        return self.crypt(frame.frm_payload, f_port=frame.f_port, f_cnt=f_cnt, uplink=frame.uplink)

    def open(self, frame: DataFrame, f_cnt: int) -> bytes | None:
        """Return the frame's payload, or None when its MIC says it is not this session's."""
        return self.decrypt(frame, f_cnt) if self.verify(frame, f_cnt) else None

    def seal_uplink(
        self,
        *,
        f_cnt: int,
        f_port: int | None = None,
        payload: bytes = b"",
        confirmed: bool = False,
        f_opts: bytes = b"",
        adr: bool = False,
        adr_ack_req: bool = False,
        ack: bool = False,
        class_b: bool = False,
    ) -> bytes:
        """Return a complete uplink as the device sends it. Raises ValueError if it cannot be."""
        message = build_data(
            mtype=MType.CONFIRMED_DATA_UP if confirmed else MType.UNCONFIRMED_DATA_UP,
            dev_addr=self.dev_addr,
            f_cnt=f_cnt,
            f_port=f_port,
            frm_payload=self._seal(payload, f_port, f_cnt, uplink=True),
            f_opts=f_opts,
            adr=adr,
            adr_ack_req=adr_ack_req,
            ack=ack,
            class_b=class_b,
        )
        return message + self.mic(message, f_cnt=f_cnt, uplink=True)

    def seal_downlink(
        self,
        *,
        f_cnt: int,
        f_port: int | None = None,
        payload: bytes = b"",
        confirmed: bool = False,
        f_opts: bytes = b"",
        adr: bool = False,
        ack: bool = False,
        f_pending: bool = False,
    ) -> bytes:
        """Return a complete downlink as a network sends it. Raises ValueError if it cannot be."""
        message = build_data(
            mtype=MType.CONFIRMED_DATA_DOWN if confirmed else MType.UNCONFIRMED_DATA_DOWN,
            dev_addr=self.dev_addr,
            f_cnt=f_cnt,
            f_port=f_port,
            frm_payload=self._seal(payload, f_port, f_cnt, uplink=False),
            f_opts=f_opts,
            adr=adr,
            ack=ack,
            f_pending=f_pending,
        )
        return message + self.mic(message, f_cnt=f_cnt, uplink=False)

    def _seal(self, payload: bytes, f_port: int | None, f_cnt: int, *, uplink: bool) -> bytes:
        if not 0 <= f_cnt <= 0xFFFF_FFFF:
            raise ValueError(f"{f_cnt} is no 32-bit counter")
        if len(payload) > 0xFF:
            raise ValueError("longer than a LoRa packet")
        if f_port is None:
            return payload
        return self.crypt(payload, f_port=f_port, f_cnt=f_cnt, uplink=uplink)


def data_mic(
    nwk_s_key: bytes, dev_addr: DevAddr, f_cnt: int, uplink: bool, message: bytes
) -> bytes:
    """Return a data frame's MIC once; for many frames of one session take a SessionCipher."""
    direction = 0 if uplink else 1
    head = _HEAD.pack(_MIC_HEAD, direction, _address(dev_addr), f_cnt, len(message))
    return sign(nwk_s_key, head + message)


def verify(nwk_s_key: bytes, frame: DataFrame, f_cnt: int) -> bool:
    """Return whether a data frame verifies; for many of one session take a SessionCipher."""
    message = frame.raw[:-MIC_SIZE]
    mic = data_mic(nwk_s_key, frame.dev_addr, f_cnt, frame.uplink, message)
    return compare_digest(mic, frame.mic)


def crypt_payload(key: bytes, dev_addr: DevAddr, f_cnt: int, uplink: bool, data: bytes) -> bytes:
    """Encrypt or decrypt one payload; for many of one session take a SessionCipher."""
    return _Keystream(key).crypt(_address(dev_addr), f_cnt, 0 if uplink else 1, data)
