"""Seeed SenseCAP T1000-A/B: a card with a button; where it is, light, temperature, SOS.

Source: https://wiki.seeedstudio.com/T1000_payload and
https://github.com/chirpstack/chirpstack-device-profiles,
vendors/seeed-technology-co-ltd/codecs/SenseCAP-T1000-AB.js. A frame is a row of packets, each an
id and data of a length that the id fixes; most begin with a mask of events and the time. Numbers
are big-endian. Left out are settings, the lists of Wi-Fi and Bluetooth stations, and parts of raw
satellite data. A shock is not a fall, and no event; a card that lies still is only still.

Differs from the published codec: a battery of 128 % and more is not negative, and is suspect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Reading, Warn

F_PORT = 5
RAW_PORTS = (192, 199)
"""Of the maker's own cloud."""
STARTS, STOPS, STILL, SOS, PRESSED = 0x01, 0x02, 0x04, 0x40, 0x80
TIME_AT = 5
NOTHING = frozenset({-0x8000})
SHORTEST = 5
"""The one packet whose length varies says in byte 4 how many bytes follow."""
VARYING = 0x0E


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One id: its length with the id, the last byte of its mask of events, and its fields."""

    length: int
    mask_at: int | None = None
    fields: tuple[Field, ...] = ()


@dataclass(slots=True)
class _Found:
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)


def _battery(at: int) -> tuple[Field, ...]:
    return (Field(quantity="battery_level", at=at),)


def _position(at: int) -> tuple[Field, ...]:
    return (
        Field(quantity="latitude", at=at + 4, form="i32", divide=1e6),
        Field(quantity="longitude", at=at, form="i32", divide=1e6),
    )


def _air(at: int) -> tuple[Field, ...]:
    """Temperature, and light as a share of the brightest that the card can tell."""
    return (
        Field(quantity="air_temperature", at=at, form="i16", divide=10, missing=NOTHING),
        Field(quantity="percentage", at=at + 2, form="i16", missing=NOTHING, channel="light"),
    )


def _acceleration(at: int) -> tuple[Field, ...]:
    return tuple(
        Field(
            quantity=f"acceleration_{axis}",
            at=at + 2 * number,
            form="i16",
            divide=1000,
            missing=NOTHING,
        )
        for number, axis in enumerate("xyz")
    )


def _heard(length: int, *fields: tuple[Field, ...], mask_at: int = 3) -> Packet:
    return Packet(length=length, mask_at=mask_at, fields=tuple(f for some in fields for f in some))


PACKETS = {
    0x01: Packet(length=47, fields=_battery(1)),
    0x02: Packet(length=16, fields=_battery(1)),
    0x03: Packet(length=32),
    0x04: Packet(length=10),
    0x05: Packet(length=5, fields=_battery(1)),
    0x06: _heard(22, _position(9), _air(17), _battery(21)),
    0x07: _heard(42, _air(37), _battery(41)),
    0x08: _heard(35, _air(30), _battery(34)),
    0x09: _heard(18, _position(9), _battery(17)),
    0x0A: _heard(38, _battery(37)),
    0x0B: _heard(31, _battery(30)),
    0x0D: Packet(length=5),
    0x0F: _heard(17, _air(9), _battery(13)),
    0x10: _heard(13, _battery(9)),
    0x11: _heard(14, _air(9), _battery(13), mask_at=4),
    0x1A: _heard(28, _position(9), _air(17), _acceleration(21), _battery(27)),
    0x1B: _heard(48, _air(37), _acceleration(41), _battery(47)),
    0x1C: _heard(41, _air(30), _acceleration(34), _battery(40)),
    0x1D: _heard(20, _air(9), _acceleration(13), _battery(19), mask_at=4),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read packet after packet, on whatever port but those of raw data."""
    found = _Found()
    if f_port in RAW_PORTS:
        return Decoded()
    at = 0
    while at < len(payload):
        rest = payload[at:]
        packet = _packet(rest)
        if packet is None:
            found.warnings.append(Warn(text=f"unknown packet {rest[0]:#04x}", offset=at))
            break
        _take(packet, rest[: packet.length], at, found)
        at += packet.length
    return Decoded(
        readings=tuple(found.readings),
        events=tuple(found.events),
        warnings=tuple(found.warnings),
    )


def _packet(rest: bytes) -> Packet | None:
    if rest[0] == VARYING:
        return Packet(length=SHORTEST + (rest[4] if len(rest) > 4 else 0))
    return PACKETS.get(rest[0])


def _take(packet: Packet, data: bytes, offset: int, found: _Found) -> None:
    if len(data) < packet.length:
        found.warnings.append(Warn(text="the packet is cut short", offset=offset))
    at = None
    if packet.mask_at is not None:
        at = layout.time(data, TIME_AT)
        mask = data[packet.mask_at] if len(data) > packet.mask_at else 0
        found.events.extend(_events(mask, at))
        found.readings.extend(_moves(mask, at))
    found.readings.extend(layout.read(packet.fields, data, at=at))


def _events(mask: int, at: datetime | None) -> Iterator[Event]:
    if mask & SOS:
        yield Event(kind=EventKind.SOS, measured_at=at)
    if mask & PRESSED:
        yield Event(kind=EventKind.BUTTON, detail={"code": 1.0}, measured_at=at)


def _moves(mask: int, at: datetime | None) -> Iterator[Reading]:
    if mask & (STARTS | STOPS | STILL):
        yield Reading(quantity="motion", value=float(bool(mask & STARTS)), measured_at=at)


DECODER = Decoder(
    id="seeed_t1000",
    version=1,
    maker="Seeed",
    model="SenseCAP T1000-A, T1000-B",
    sos_capable=True,
    priority_f_ports=frozenset({F_PORT}),
    quantities=layout.quantities(*(packet.fields for packet in PACKETS.values())) | {"motion"},
    decode=decode,
)
