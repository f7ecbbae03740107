"""Milesight's payload: a row of channels, each an id, a type and data whose length both fix.

Source: the tables "Payload", "Attribute" and "Telemetry" in the README of each device at
https://github.com/Milesight-IoT/SensorDecoders. Numbers are little-endian. A family is a table
from (id, type) to a `Channel`; a channel that it does not know ends the reading, because its
length is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from decoders.family import DecodePayload
from khaen.reading import Decoded, Event, Reading, Warn

F_PORT = 85
"""The port of a Milesight device as it leaves the factory."""

OLDEST_CLOCK = datetime(2015, 1, 1, tzinfo=UTC)
"""A device's time before this is a clock that was never set."""

_SIZES = {"u8": 1, "u16": 2, "i16": 2, "u32": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number at `at` within a channel's data: `form` is u8, u16, i16 or u32.

    The reading is the number divided by `divide`. A raw number in `missing` says that there is
    no value. `bit`, where given, reads that bit alone, as 0 or 1.
    """

    quantity: str
    form: str
    at: int = 0
    divide: float = 1
    channel: str = ""
    missing: frozenset[int] = frozenset()
    bit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One (id, type): `length` bytes of data, the numbers in it, or the events it stands for.

    `dated` channels are history: their data starts with the seconds since 1970.
    """

    length: int
    numbers: tuple[Number, ...] = ()
    dated: bool = False
    events: Callable[[bytes], tuple[Event, ...]] | None = None


ChannelTable = Mapping[tuple[int, int], Channel]

ATTRIBUTES: ChannelTable = {
    (0xFF, 0x01): Channel(length=1),  # protocol version
    (0xFF, 0x08): Channel(length=6),  # serial number, older devices
    (0xFF, 0x09): Channel(length=2),  # hardware version
    (0xFF, 0x0A): Channel(length=2),  # firmware version
    (0xFF, 0x0B): Channel(length=1),  # device status: switched on
    (0xFF, 0x0F): Channel(length=1),  # LoRaWAN class
    (0xFF, 0x16): Channel(length=8),  # serial number
    (0xFF, 0xFE): Channel(length=1),  # reset
    (0xFF, 0xFF): Channel(length=2),  # TSL version
}
"""What every device says of itself: known, so that it can be passed over."""

BATTERY: ChannelTable = {
    (0x01, 0x75): Channel(length=1, numbers=(Number(quantity="battery_level", form="u8"),)),
}


def answers(lengths: Mapping[int, int]) -> ChannelTable:
    """The channels FE and FF by which a device answers a downlink: type to length."""
    return {
        (head, kind): Channel(length=length)
        for head in (0xFE, 0xFF)
        for kind, length in lengths.items()
    }


@dataclass(slots=True)
class _Found:
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)


def reader(table: ChannelTable, *, urgent: bytes = b"") -> DecodePayload:
    """A family's `decode`: reads on whatever port, for an engineer can change it."""

    def decode(_f_port: int, payload: bytes) -> Decoded:
        return read(table, payload, urgent=urgent)

    return decode


def read(table: ChannelTable, payload: bytes, *, urgent: bytes = b"") -> Decoded:
    """Read channel after channel; what cannot be read is a warning with its offset.

    `urgent` is the head of a channel that is looked for even behind an unknown one: better a call
    too many than one lost because a new firmware put something unknown before it.
    """
    found = _Found()
    at = 0
    while at < len(payload):
        channel = table.get((payload[at], payload[at + 1])) if at + 1 < len(payload) else None
        if channel is None:
            found.warnings.append(Warn(text=_unknown(payload, at), offset=at))
            at = payload.find(urgent, at + 1) if urgent else -1
            if at < 0:
                break
            continue
        data = payload[at + 2 : at + 2 + channel.length]
        if len(data) < channel.length:
            found.warnings.append(Warn(text="the channel is cut short", offset=at))
            break
        _take(channel, data, at, found)
        at += 2 + channel.length
    return Decoded(
        readings=tuple(found.readings),
        events=tuple(found.events),
        warnings=tuple(found.warnings),
    )


def _unknown(payload: bytes, at: int) -> str:
    return f"unknown channel {payload[at : at + 2].hex()}"


def _take(channel: Channel, data: bytes, at: int, found: _Found) -> None:
    if channel.events is not None:
        found.events.extend(channel.events(data))
    measured_at = None
    if channel.dated:
        measured_at = datetime.fromtimestamp(int.from_bytes(data[:4], "little"), UTC)
        if measured_at < OLDEST_CLOCK:
            found.warnings.append(Warn(text="history of a clock that was not set", offset=at))
            return
    for number in channel.numbers:
        raw = _raw(number, data)
        if raw in number.missing:
            found.warnings.append(Warn(text=f"no {number.quantity}: {raw:#x}", offset=at))
            continue
        value = raw / number.divide if number.bit is None else float(raw >> number.bit & 1)
        found.readings.append(
            Reading(
                quantity=number.quantity,
                value=value,
                channel=number.channel,
                measured_at=measured_at,
            )
        )


def _raw(number: Number, data: bytes) -> int:
    piece = data[number.at : number.at + _SIZES[number.form]]
    return int.from_bytes(piece, "little", signed=number.form[0] == "i")


def quantities(table: ChannelTable) -> frozenset[str]:
    """The ids of all quantities in a table."""
    return frozenset(number.quantity for channel in table.values() for number in channel.numbers)
