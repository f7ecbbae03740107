"""PHYPayload bytes to frames and back, without keys (LoRaWAN L2 1.0.4, sections 4 and 6).

Fields travel least significant byte first; here addresses and EUIs are written the usual way round.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from khaen.errors import DecodeError
from khaen.ids import DevAddr, DevEui

MAX_PHY_SIZE: Final = 255
"""Bytes of a LoRa packet: its header counts them in one byte."""
MAX_F_OPTS: Final = 15
MIC_SIZE: Final = 4
JOIN_REQUEST_SIZE: Final = 23
JOIN_ACCEPT_SIZES: Final = (17, 33)
"""Without and with the 16 bytes of CFList."""

_DATA_HEADER = struct.Struct("<xIBH")
_DATA_MIN_SIZE = _DATA_HEADER.size + MIC_SIZE
_ADR, _ADR_ACK_REQ, _ACK, _BIT_4 = 0x80, 0x40, 0x20, 0x10


class FrameError(DecodeError):
    """Bytes that are no LoRaWAN frame; `offset` is where they stop making sense."""


class MType(IntEnum):
    """What kind of message a frame is: the three highest bits of its first byte."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_DATA_UP = 2
    UNCONFIRMED_DATA_DOWN = 3
    CONFIRMED_DATA_UP = 4
    CONFIRMED_DATA_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7


# Tuples, for an enum's hash is slow and identity is not.
_MTYPES = tuple(MType)
_DATA_TYPES = _MTYPES[MType.UNCONFIRMED_DATA_UP : MType.CONFIRMED_DATA_DOWN + 1]
_UPLINKS = (MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP)
_CONFIRMED = (MType.CONFIRMED_DATA_UP, MType.CONFIRMED_DATA_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFrame:
    """A data frame as it was heard. `frm_payload` is encrypted; nothing is verified.

    `f_cnt16` is the low half of the frame counter; `f_port` is None when the frame carries none.
    """

    mtype: MType
    dev_addr: DevAddr
    f_ctrl: int
    f_cnt16: int
    f_opts: bytes
    f_port: int | None
    frm_payload: bytes
    mic: bytes
    raw: bytes

    @property
    def uplink(self) -> bool:
        """True when a device sent it."""
        return self.mtype in _UPLINKS

    @property
    def confirmed(self) -> bool:
        """True when the sender asks for an acknowledgement."""
        return self.mtype in _CONFIRMED

    @property
    def adr(self) -> bool:
        """True when adaptive data rate is on."""
        return bool(self.f_ctrl & _ADR)

    @property
    def adr_ack_req(self) -> bool:
        """True when a device asks whether the network still hears it; never in a downlink."""
        return self.uplink and bool(self.f_ctrl & _ADR_ACK_REQ)

    @property
    def ack(self) -> bool:
        """True when it acknowledges the last confirmed frame of the other side."""
        return bool(self.f_ctrl & _ACK)

    @property
    def class_b(self) -> bool:
        """True when a device listens in ping slots; never in a downlink."""
        return self.uplink and bool(self.f_ctrl & _BIT_4)

    @property
    def f_pending(self) -> bool:
        """True when the network has more for the device; never in an uplink."""
        return not self.uplink and bool(self.f_ctrl & _BIT_4)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """A device asks to join. `join_eui` is 16 lower-case hex digits (AppEUI before 1.0.4)."""

    join_eui: str
    dev_eui: DevEui
    dev_nonce: int
    mic: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAccept:
    """A network admits a device; all but the first byte is encrypted."""

    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFrame:
    """A rejoin request (LoRaWAN 1.1) or a proprietary frame: carried, never opened."""

    mtype: MType
    raw: bytes

    @property
    def proprietary(self) -> bool:
        """True for a format of its maker's own."""
        return self.mtype is MType.PROPRIETARY

    @property
    def rejoin(self) -> bool:
        """True for a rejoin request."""
        return self.mtype is MType.REJOIN_REQUEST


Frame = DataFrame | JoinRequest | JoinAccept | OtherFrame


def parse(phy: bytes) -> Frame:
    """Return the frame that `phy` holds. Raises FrameError for any other bytes, nothing else.

    Reserved bits are ignored and kept in `raw`; so is a port 0 beside FOpts, which the
    specification forbids: the frame was heard all the same.
    """
    if not phy:
        raise FrameError("empty frame", offset=0)
    if len(phy) > MAX_PHY_SIZE:
        raise FrameError("longer than a LoRa packet", offset=MAX_PHY_SIZE)
    mtype = _MTYPES[phy[0] >> 5]
    if mtype is MType.PROPRIETARY:
        return OtherFrame(mtype=mtype, raw=phy)
    if phy[0] & 0x03:
        raise FrameError("unknown major version", offset=0)
    if mtype in _DATA_TYPES:
        return _parse_data(mtype, phy)
    if mtype is MType.JOIN_REQUEST:
        return _parse_join_request(phy)
    if mtype is MType.JOIN_ACCEPT:
        if len(phy) not in JOIN_ACCEPT_SIZES:
            raise FrameError("a join accept has 17 or 33 bytes", offset=len(phy))
        return JoinAccept(raw=phy)
    return OtherFrame(mtype=mtype, raw=phy)


def _parse_data(mtype: MType, phy: bytes) -> DataFrame:
    body_end = len(phy) - MIC_SIZE
    if len(phy) < _DATA_MIN_SIZE:
        raise FrameError("data frame cut short", offset=len(phy))
    address, f_ctrl, f_cnt16 = _DATA_HEADER.unpack_from(phy)
    opts_end = _DATA_HEADER.size + (f_ctrl & 0x0F)
    if opts_end > body_end:
        raise FrameError("FOpts cut short", offset=body_end)
    has_port = opts_end < body_end
    return DataFrame(
        mtype=mtype,
        dev_addr=DevAddr(f"{address:08x}"),
        f_ctrl=f_ctrl,
        f_cnt16=f_cnt16,
        f_opts=phy[_DATA_HEADER.size : opts_end],
        f_port=phy[opts_end] if has_port else None,
        frm_payload=phy[opts_end + 1 : body_end] if has_port else b"",
        mic=phy[body_end:],
        raw=phy,
    )


def _parse_join_request(phy: bytes) -> JoinRequest:
    if len(phy) != JOIN_REQUEST_SIZE:
        raise FrameError("a join request has 23 bytes", offset=min(len(phy), JOIN_REQUEST_SIZE))
    return JoinRequest(
        join_eui=phy[8:0:-1].hex(),
        dev_eui=DevEui(phy[16:8:-1].hex()),
        dev_nonce=int.from_bytes(phy[17:19], "little"),
        mic=phy[19:],
        raw=phy,
    )


def build_data(
    *,
    mtype: MType,
    dev_addr: DevAddr,
    f_cnt: int,
    f_port: int | None = None,
    frm_payload: bytes = b"",
    f_opts: bytes = b"",
    adr: bool = False,
    adr_ack_req: bool = False,
    ack: bool = False,
    class_b: bool = False,
    f_pending: bool = False,
) -> bytes:
    """Return a data frame without its MIC; `frm_payload` is taken as it is, so already encrypted.

    Of `f_cnt` the low 16 bits travel. Raises ValueError for what no frame can carry.
    """
    if mtype not in _DATA_TYPES:
        raise ValueError(f"{mtype.name} is no data frame")
    if frm_payload and f_port is None:
        raise ValueError("a payload needs a port")
    if len(f_opts) > MAX_F_OPTS:
        raise ValueError("FOpts has 15 bytes at most")
    if (f_pending and mtype in _UPLINKS) or ((class_b or adr_ack_req) and mtype not in _UPLINKS):
        raise ValueError(f"{mtype.name} has no such flag")
    f_ctrl = (
        (_ADR if adr else 0)
        | (_ADR_ACK_REQ if adr_ack_req else 0)
        | (_ACK if ack else 0)
        | (_BIT_4 if class_b or f_pending else 0)
        | len(f_opts)
    )
    address = bytes.fromhex(dev_addr)[::-1]
    if len(address) != 4:
        raise ValueError("a DevAddr has 4 bytes")
    header = struct.pack("<B4sBH", mtype << 5, address, f_ctrl, f_cnt & 0xFFFF)
    port = b"" if f_port is None else bytes((f_port,))
    message = header + f_opts + port + frm_payload
    if len(message) + MIC_SIZE > MAX_PHY_SIZE:
        raise ValueError("longer than a LoRa packet")
    return message


def build_join_request(*, join_eui: str, dev_eui: DevEui, dev_nonce: int) -> bytes:
    """Return a join request without its MIC. Raises ValueError for what does not fit."""
    euis = bytes.fromhex(join_eui)[::-1] + bytes.fromhex(dev_eui)[::-1]
    if len(euis) != 16 or not 0 <= dev_nonce <= 0xFFFF:
        raise ValueError("an EUI has 8 bytes, a DevNonce 2")
    return bytes((MType.JOIN_REQUEST << 5,)) + euis + dev_nonce.to_bytes(2, "little")
