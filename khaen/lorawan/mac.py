"""MAC commands: what a network and a device say to each other in FOpts or on port 0.

Source: LoRaWAN L2 1.0.4, section 5. A body that the commands' owner has to read is a dataclass
here with `parse` and `render`; the others are an identifier and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self


class Cid(IntEnum):
    """Identifiers; request and answer of one command share theirs."""

    LINK_CHECK = 0x02
    LINK_ADR = 0x03
    DUTY_CYCLE = 0x04
    RX_PARAM_SETUP = 0x05
    DEV_STATUS = 0x06
    NEW_CHANNEL = 0x07
    RX_TIMING_SETUP = 0x08
    TX_PARAM_SETUP = 0x09
    DL_CHANNEL = 0x0A
    DEVICE_TIME = 0x0D


# Bytes after the identifier: from the device, from the network.
_SIZES: Final = {
    Cid.LINK_CHECK: (0, 2),
    Cid.LINK_ADR: (1, 4),
    Cid.DUTY_CYCLE: (0, 1),
    Cid.RX_PARAM_SETUP: (1, 4),
    Cid.DEV_STATUS: (2, 0),
    Cid.NEW_CHANNEL: (1, 5),
    Cid.RX_TIMING_SETUP: (0, 1),
    Cid.TX_PARAM_SETUP: (0, 1),
    Cid.DL_CHANNEL: (1, 4),
    Cid.DEVICE_TIME: (0, 5),
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: an identifier and the bytes after it."""

    cid: Cid
    body: bytes = b""


def parse(data: bytes, *, uplink: bool) -> tuple[Command, ...]:
    """The commands of FOpts, or of port 0's payload once it is decrypted.

    An unknown identifier or a body cut short ends it, for nobody knows where the next one begins;
    what stands before it counts.
    """
    found: list[Command] = []
    at = 0
    while at < len(data):
        sizes = _SIZES.get(data[at])  # type: ignore[call-overload]
        if sizes is None:
            break
        end = at + 1 + (sizes[0] if uplink else sizes[1])
        if end > len(data):
            break
        found.append(Command(Cid(data[at]), data[at + 1 : end]))
        at = end
    return tuple(found)


def render(commands: Iterable[Command]) -> bytes:
    """The bytes of commands, one after the other."""
    return b"".join(bytes((command.cid,)) + command.body for command in commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAdrReq:
    """Which data rate, power index, channels and repeats a device is to use.

    `data_rate` and `tx_power` of 15 mean: keep. `ch_mask` has bit 0 for the first channel of the
    block that `ch_mask_cntl` names; 6 there switches every defined channel on. `nb_trans` of 0
    means: keep.
    """

    data_rate: int
    tx_power: int
    ch_mask: int
    ch_mask_cntl: int = 0
    nb_trans: int = 1

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the four bytes."""
        return cls(
            data_rate=body[0] >> 4,
            tx_power=body[0] & 0x0F,
            ch_mask=int.from_bytes(body[1:3], "little"),
            ch_mask_cntl=body[3] >> 4 & 0x07,
            nb_trans=body[3] & 0x0F,
        )

    def render(self) -> bytes:
        """The four bytes."""
        head = self.data_rate << 4 | self.tx_power
        return (
            bytes((head,))
            + self.ch_mask.to_bytes(2, "little")
            + bytes((self.ch_mask_cntl << 4 | self.nb_trans,))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAdrAns:
    """Which parts of a LinkADRReq a device takes; it obeys only when it takes all three."""

    power: bool = True
    data_rate: bool = True
    ch_mask: bool = True

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the byte."""
        return cls(power=bool(body[0] & 4), data_rate=bool(body[0] & 2), ch_mask=bool(body[0] & 1))

    def render(self) -> bytes:
        """The byte."""
        return bytes((self.power << 2 | self.data_rate << 1 | self.ch_mask,))


@dataclass(frozen=True, slots=True, kw_only=True)
class RxParamSetupReq:
    """Where a device listens: RX1's offset of data rate, RX2's data rate and frequency in Hz."""

    rx1_dr_offset: int
    rx2_data_rate: int
    frequency: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the four bytes."""
        return cls(
            rx1_dr_offset=body[0] >> 4 & 0x07,
            rx2_data_rate=body[0] & 0x0F,
            frequency=100 * int.from_bytes(body[1:4], "little"),
        )

    def render(self) -> bytes:
        """The four bytes."""
        head = self.rx1_dr_offset << 4 | self.rx2_data_rate
        return bytes((head,)) + (self.frequency // 100).to_bytes(3, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannelReq:
    """A channel by index: frequency in Hz (0 switches it off), slowest and fastest data rate."""

    index: int
    frequency: int
    min_dr: int
    max_dr: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the five bytes."""
        return cls(
            index=body[0],
            frequency=100 * int.from_bytes(body[1:4], "little"),
            min_dr=body[4] & 0x0F,
            max_dr=body[4] >> 4,
        )

    def render(self) -> bytes:
        """The five bytes."""
        rates = self.max_dr << 4 | self.min_dr
        return (
            bytes((self.index,)) + (self.frequency // 100).to_bytes(3, "little") + bytes((rates,))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DevStatusAns:
    """Battery (0 external, 1 to 254, 255 unknown) and demodulation margin of -32 to 31 dB."""

    battery: int
    margin: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the two bytes."""
        margin = body[1] & 0x3F
        return cls(battery=body[0], margin=margin - 64 if margin & 0x20 else margin)

    def render(self) -> bytes:
        """The two bytes."""
        return bytes((self.battery, self.margin & 0x3F))


@dataclass(frozen=True, slots=True, kw_only=True)
class TxParamSetupReq:
    """Whether 400 ms of dwell time bind down and up, and the highest EIRP's code (table 5.9)."""

    downlink_dwell: bool
    uplink_dwell: bool
    max_eirp: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the byte."""
        return cls(
            downlink_dwell=bool(body[0] & 0x20),
            uplink_dwell=bool(body[0] & 0x10),
            max_eirp=body[0] & 0x0F,
        )

    def render(self) -> bytes:
        """The byte."""
        return bytes((self.downlink_dwell << 5 | self.uplink_dwell << 4 | self.max_eirp,))
