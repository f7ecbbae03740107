"""MOKO LW006: a badge with a button that knows where it is. Its common bytes: decoders/moko.py.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/moko/lw006-sb.js. Numbers are
big-endian. Left out are the stations heard, why a position was not found, and frames kept by the
device that were asked for again (port 7).

Differs from the published codec: numbers are numbers, not texts with a unit. That of TagoIO
(https://github.com/tago-io/decoders, mokosmart/LW006) says no state below 0 °C; here it is read.
"""

from __future__ import annotations

from decoders import layout, moko
from decoders.family import Decoder
from decoders.layout import Field
from decoders.moko import HEAD, Code, Port
from khaen.reading import Decoded, EventKind

EVENT_PORT, KEPT_PORT, FOUND_PORT = 5, 7, 8
BY_SATELLITE, WAY_AT, WAY = 3, 3, 0x0F
STATES = {1: EventKind.MAN_DOWN, 3: EventKind.SOS, 4: EventKind.SOS}
EVENTS = {
    3: EventKind.MAN_DOWN,
    4: EventKind.MAN_DOWN_END,
    5: EventKind.SOS,
    6: EventKind.SOS_END,
    7: EventKind.SOS,
    8: EventKind.SOS_END,
}
WARMTH = (*HEAD, Field(quantity="device_temperature", at=1, form="i8"))


def _position(at: int) -> tuple[Field, ...]:
    return (
        Field(quantity="latitude", at=at, form="i32", divide=1e7),
        Field(quantity="longitude", at=at + 4, form="i32", divide=1e7),
    )


def _state(at: int, *, mask: int = 0xFF, shift: int = 0) -> Code:
    return Code(at=at, kinds=STATES, mask=mask, shift=shift)


FOUND = Port(length=6, codes=(_state(3, shift=4), _state(4, mask=0x0F)))
FOUND_BY_SATELLITE = Port(length=15, codes=FOUND.codes, fields=(*HEAD, *_position(6)))

PORTS: moko.Ports = {
    1: Port(length=7, codes=(_state(5),), fields=WARMTH),
    2: Port(length=10, codes=(_state(8),), time_at=2, fields=WARMTH),
    3: Port(length=9, codes=(_state(8),), time_at=2, fields=WARMTH),
    4: Port(length=10, codes=(_state(8),), time_at=2, fields=WARMTH, says=EventKind.BATTERY_LOW),
    EVENT_PORT: Port(length=7, codes=(Code(at=6, kinds=EVENTS),), time_at=1),
    6: Port(length=11, codes=(_state(0, shift=4),), fields=_position(2)),
    FOUND_PORT: FOUND,
    9: Port(length=5, codes=(_state(1), _state(3))),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the device's gives a warning."""
    if f_port == KEPT_PORT:
        return Decoded()
    way = payload[WAY_AT] & WAY if len(payload) > WAY_AT else None
    if f_port == FOUND_PORT and way == BY_SATELLITE:
        return moko.decode({FOUND_PORT: FOUND_BY_SATELLITE}, f_port, payload)
    return moko.decode(PORTS, f_port, payload)


DECODER = Decoder(
    id="moko_lw006",
    version=1,
    maker="MOKO",
    model="LW006",
    sos_capable=True,
    fall_capable=True,
    priority_f_ports=frozenset({EVENT_PORT}),
    quantities=layout.quantities(WARMTH, _position(0)),
    decode=decode,
)
