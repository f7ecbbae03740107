"""Lansitec Helmet Sensor: on a helmet, with a button; it also relays bracelets around it.

Source: https://github.com/tago-io/decoders, decoders/connector/lansitec/helmet-sensor, and for the
bracelets decoders/lansitec.py. The high half of byte 0 is the type. Numbers are big-endian; a
position is two IEEE 754 numbers. Left out are registration, beacons heard, and the pressure, whose
unit the published codecs do not agree with.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from decoders import lansitec, layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Reading, Warn

REGISTRATION, HEARTBEAT, POSITION, UUIDS, BEACONS, ALARM = 0x1, 0x2, 0x3, 0x5, 0x7, 0x8
LEAST = {REGISTRATION: 1, HEARTBEAT: 10, POSITION: 17, UUIDS: 1, BEACONS: 6, ALARM: 2}
NO_FIX = 0x08
CALLS = {1: EventKind.SOS, 2: EventKind.FALL}

BATTERY = (Field(quantity="battery_level", at=1),)
WORN = (Field(quantity="worn", at=0, mask=0x01),)
FIELDS = {HEARTBEAT: BATTERY, POSITION: WORN, BEACONS: WORN}
_FIX = struct.Struct(">ff")
_FIX_AT, _TIME_AT = 5, 13


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read what the helmet says of itself; bracelets are read by their own family."""
    del f_port
    message = lansitec.message(payload)
    if message == lansitec.LONG:
        return Decoded(warnings=_check_bracelets(payload))
    if message not in LEAST:
        return Decoded(warnings=(Warn(text=f"unknown message {message:#x}", offset=0),))
    readings = list(layout.read(FIELDS.get(message, ()), payload))
    if message == POSITION:
        readings += _position(payload)
    called = CALLS.get(payload[1]) if message == ALARM and len(payload) > 1 else None
    return Decoded(
        readings=tuple(readings),
        events=() if called is None else (Event(kind=called),),
        warnings=layout.check(payload, LEAST[message]),
    )


def _position(payload: bytes) -> Iterator[Reading]:
    fix = not payload[0] & NO_FIX
    yield Reading(quantity="position_fix", value=float(fix))
    if not fix or len(payload) < _FIX_AT + _FIX.size:
        return
    at = layout.time(payload, _TIME_AT)
    longitude, latitude = _FIX.unpack_from(payload, _FIX_AT)
    for quantity, value in (("latitude", latitude), ("longitude", longitude)):
        if math.isfinite(value):
            yield Reading(quantity=quantity, value=round(value, 6), measured_at=at)


def _check_bracelets(payload: bytes) -> tuple[Warn, ...]:
    due = 2 + lansitec.LONG_LENGTH * (payload[1] if len(payload) > 1 else 0)
    return layout.check(payload, due, due)


DECODER = Decoder(
    id="lansitec_helmet_sensor",
    version=1,
    maker="Lansitec",
    model="Helmet Sensor",
    sos_capable=True,
    fall_capable=True,
    quantities=layout.quantities(BATTERY, WORN) | {"position_fix", "latitude", "longitude"},
    decode=decode,
    split=lansitec.split_long,
)
