"""Abeeway's trackers, firmware 2: one header, one word for SOS in every frame.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/abeeway/asset-tracker-2.js and
its examples, and the maker's "Asset Tracker Reference Guide". Byte 0 is the kind of message, 1 the
state, 2 the battery (% on port 18; 0 charging, 255 unknown), 3 the temperature. Numbers are
big-endian. SOS is a bit of the state for as long as it lasts: each such frame says it, the press
that it belongs to is found by its neighbours; an event says when it begins and ends.

Left out are stations heard (Wi-Fi, Bluetooth), proximity, configuration, and debugging. On other
ports than 18 the battery is a voltage, which older firmware sends.
"""

from __future__ import annotations

from collections.abc import Iterator

from decoders import layout
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Reading

F_PORT = 18
QUEUED, POSITION, MISCELLANY, EVENT, TEXT, PRECISE, DEBUG = 0, 3, 7, 10, 13, 14, 15
HEADLESS = (QUEUED, TEXT, DEBUG)
"""Messages whose second byte is no state."""
SOS, MOVING = 0x10, 0x04
SOS_BEGINS, SOS_ENDS = 7, 8
HEADER_LENGTH = 5
CHARGING, UNKNOWN = 0, 255
GPS = 0
ACTIVITY, SHOCK = 1, 3

MOTION = (Field(quantity="motion", at=1, mask=MOVING, shift=2),)
BATTERY = (Field(quantity="battery_level", at=2, missing=frozenset({CHARGING, UNKNOWN})),)
# Guide, "condensed" numbers: 2.8 to 4.2 V and -44 to 85 °C, spread over a byte.
VOLTAGE = (
    Field(
        quantity="battery_voltage",
        at=2,
        divide=253 / 1.4,
        plus=2.8 - 1.4 / 253,
        missing=frozenset({CHARGING, UNKNOWN}),
    ),
)
TEMPERATURE = (Field(quantity="device_temperature", at=3, divide=255 / 129, plus=-44),)
FIX = (
    Field(quantity="latitude", at=6, form="i24", divide=1e7 / 256),
    Field(quantity="longitude", at=9, form="i24", divide=1e7 / 256),
    Field(quantity="position_accuracy", at=12, divide=255 / 1000),
)
PRECISE_FIX = (
    Field(quantity="latitude", at=8, form="i32", divide=1e7),
    Field(quantity="longitude", at=12, form="i32", divide=1e7),
    Field(quantity="heading", at=19, form="u16", divide=100),
    Field(quantity="speed", at=21, form="u16", divide=100),
)
MOVEMENTS = (Field(quantity="motion_count", at=6, form="u32"),)
FORCE = tuple(
    Field(quantity=f"acceleration_{axis}", at=7 + 2 * number, form="i16", divide=1000)
    for number, axis in enumerate("xyz")
)

QUANTITIES = layout.quantities(
    MOTION, BATTERY, VOLTAGE, TEMPERATURE, FIX, PRECISE_FIX, MOVEMENTS, FORCE
) | {"charging"}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; one of a kind not known is read for its header, and its SOS."""
    if payload and payload[0] in HEADLESS:
        return Decoded()
    readings: list[Reading] = list(layout.read(MOTION, payload))
    if f_port == F_PORT and len(payload) > BATTERY[0].at:
        charging = payload[BATTERY[0].at] == CHARGING
        readings.append(Reading(quantity="charging", value=float(charging)))
    readings += layout.read(BATTERY if f_port == F_PORT else VOLTAGE, payload)
    fields = (*TEMPERATURE, *_fields(payload))
    readings += layout.read(fields, payload)
    return Decoded(
        readings=tuple(readings),
        events=tuple(_events(payload)),
        warnings=layout.check(payload, max(HEADER_LENGTH, layout.length(fields))),
    )


def _fields(payload: bytes) -> tuple[Field, ...]:
    """What the kind of message has behind its header."""
    kind, at_4, at_5 = payload[0], payload[4:5], payload[5:6]
    if kind == POSITION and at_4 and at_4[0] & 0xF == GPS:
        return FIX
    if kind == PRECISE and at_4 and at_4[0] & 0xF == GPS:
        return PRECISE_FIX
    if kind == MISCELLANY and at_5:
        return {ACTIVITY: MOVEMENTS, SHOCK: FORCE}.get(at_5[0] & 0x7, ())
    return ()


def _events(payload: bytes) -> Iterator[Event]:
    said = payload[5] if payload[0] == EVENT and len(payload) > 5 else None
    if said == SOS_ENDS:
        yield Event(kind=EventKind.SOS_END)
    elif said == SOS_BEGINS or (len(payload) > 1 and payload[1] & SOS):
        yield Event(kind=EventKind.SOS)
