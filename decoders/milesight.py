"""Milesight's payload: a row of channels, each an id, a type and data whose length both fix.

Source: the tables "Payload", "Attribute" and "Telemetry" in the README of each device at
https://github.com/Milesight-IoT/SensorDecoders. Numbers are little-endian. A family is a table
from (id, type) to a `Channel`; a channel that it does not know ends the reading, because its
length is unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from decoders import layout
from decoders.family import DecodePayload
from khaen.reading import Decoded, Event, Reading, Warn

F_PORT = 85
"""The port of a Milesight device as it leaves the factory."""

_FORMS = {
    "u8": struct.Struct("<B"),
    "u16": struct.Struct("<H"),
    "i16": struct.Struct("<h"),
    "u32": struct.Struct("<I"),
    "f32": struct.Struct("<f"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number at `at` within a channel's data: `form` is u8, u16, i16, u32 or f32.

    The reading is the number times `times`, divided by `divide`. A raw number in `missing` says
    that there is no value. `bit`, where given, reads that bit alone, as 0 or 1. `when`, an offset,
    a mask and a value, says that the number is there only where that byte, masked, has the value.
    """

    quantity: str
    form: str
    at: int = 0
    times: float = 1
    divide: float = 1
    channel: str = ""
    missing: frozenset[int] = frozenset()
    bit: int | None = None
    when: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """One (id, type): `length` bytes of data, the numbers in it, or the events it stands for.

    `dated` channels are history: their data starts with the seconds since 1970. `states` reads
    codes that are no numbers; it is a function of the data, as `events`.
    """

    length: int
    numbers: tuple[Number, ...] = ()
    dated: bool = False
    events: Callable[[bytes], tuple[Event, ...]] | None = None
    states: Callable[[bytes], tuple[Reading, ...]] | None = None


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


CLIMATE: ChannelTable = {
    (0x03, 0x67): Channel(
        length=2,
        numbers=(Number(quantity="air_temperature", form="i16", divide=10),),
    ),
    (0x04, 0x68): Channel(
        length=1,
        numbers=(Number(quantity="relative_humidity", form="u8", divide=2),),
    ),
}
"""The air around the device."""

CLIMATE_HISTORY = (
    Number(quantity="air_temperature", form="i16", at=4, divide=10),
    Number(quantity="relative_humidity", form="u8", at=6, divide=2),
)
"""The same behind the time of a channel of history."""

EM300_ANSWERS = answers(
    {
        0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x27: 1, 0x28: 1,
        0x68: 1, 0x69: 1, 0x6A: 3, 0x6D: 1, 0x79: 6, 0xEA: 3,
    }
)  # fmt: skip
"""What the EM300s answer."""

EM500_ANSWERS: ChannelTable = {
    **answers(
        {
            0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x11: 4, 0x17: 2, 0x1C: 2, 0x27: 1,
            0x28: 1, 0x35: 8, 0x3B: 1, 0x4A: 1, 0x68: 1, 0x69: 1, 0x6A: 3, 0x84: 1, 0x96: 8,
            0xF1: 4, 0xF2: 2, 0xF5: 1,
        }
    ),
    (0xFF, 0x1B): Channel(length=5),  # what the probe measures: rate and range
}  # fmt: skip
"""What the EM500s answer, and say of their probe."""

PROBE_FAILED = frozenset({0xFFFF, 0xFFFD, -1, -3})
"""A probe's word that is no value: it could not be read, or is out of its range. The second pair is
the same in a signed number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one channel's data says; warnings are without their offset."""

    readings: tuple[Reading, ...]
    events: tuple[Event, ...] = ()
    warnings: tuple[str, ...] = ()


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
    readings: list[Reading] = []
    events: list[Event] = []
    warnings: list[Warn] = []
    at = 0
    while at < len(payload):
        channel = table.get((payload[at], payload[at + 1])) if at + 1 < len(payload) else None
        if channel is None:
            warnings.append(Warn(text=_unknown(payload, at), offset=at))
            at = payload.find(urgent, at + 1) if urgent else -1
            if at < 0:
                break
            continue
        data = payload[at + 2 : at + 2 + channel.length]
        if len(data) < channel.length:
            warnings.append(Warn(text="the channel is cut short", offset=at))
            break
        said = _take(channel, data) if channel.dated else _take_known(channel, data)
        readings += said.readings
        if said.events or said.warnings:
            events += said.events
            warnings += [Warn(text=text, offset=at) for text in said.warnings]
        at += 2 + channel.length
    return Decoded(readings=tuple(readings), events=tuple(events), warnings=tuple(warnings))


def clock(data: bytes) -> datetime | None:
    """The time that history starts with; None for a clock that was not set."""
    return layout.time(data, 0, "little")


def _unknown(payload: bytes, at: int) -> str:
    return f"unknown channel {payload[at : at + 2].hex()}"


def _take(channel: Channel, data: bytes) -> _Said:
    events = channel.events(data) if channel.events is not None else ()
    readings = list(channel.states(data)) if channel.states is not None else []
    measured_at = clock(data) if channel.dated else None
    if channel.dated and measured_at is None:
        warning = "history of a clock that was not set"
        return _Said(readings=tuple(readings), events=events, warnings=(warning,))
    warnings = []
    for number in channel.numbers:
        if number.when is not None and not _there(number.when, data):
            continue
        (raw,) = _FORMS[number.form].unpack_from(data, number.at)
        if raw in number.missing:
            warnings.append(f"no {number.quantity}: {raw}")
            continue
        readings.append(
            Reading(
                quantity=number.quantity,
                value=_value(number, raw),
                channel=number.channel,
                measured_at=measured_at,
            )
        )
    return _Said(readings=tuple(readings), events=events, warnings=tuple(warnings))


_take_known = lru_cache(maxsize=4096)(_take)
"""Sensors say the same again and again; what they said is made once. About 2 MiB at most."""


def _there(when: tuple[int, int, int], data: bytes) -> bool:
    at, mask, value = when
    return data[at] & mask == value


def _value(number: Number, raw: float) -> float:
    if number.bit is not None:
        return float(int(raw) >> number.bit & 1)
    return raw * number.times / number.divide


def quantities(table: ChannelTable) -> frozenset[str]:
    """The ids of all quantities in a table."""
    return frozenset(number.quantity for channel in table.values() for number in channel.numbers)
