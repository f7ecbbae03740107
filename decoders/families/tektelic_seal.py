"""TEKTELIC SEAL: a badge that calls for help and sees falls; where it is, its battery.

Source: https://github.com/tago-io/decoders, decoders/connector/tektelic/seal. Port 10 is a row of
fields, each two bytes of key and data of a length that the key fixes, big-endian. Left out are the
days that the battery will last, the device's clock, zones, and the ports of settings, beacons and
satellites. The pressure before its calibration has the channel `raw`.

The state of safety is sent when it changes: with neither the button nor a fall in it, both ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Reading, Warn

F_PORT = 10
OTHER_PORTS = (16, 25, 100, 101)
SAFETY = bytes((0x02, 0x95))
BUTTON, FALL = 0x1, 0x2
KEY_LENGTH = 2

# The range of 24 bits is that of the globe: 180 and 360 degrees.
_LATITUDE, _LONGITUDE = 1 / 1.072883606e-5, 1 / 2.145767212e-5

LENGTHS = {
    (0x00, 0x00): 1,
    (0x00, 0x67): 2,
    (0x00, 0x71): 6,
    (0x00, 0x73): 2,
    (0x00, 0x74): 2,
    (0x00, 0x85): 4,
    (0x00, 0x88): 8,
    (0x00, 0x92): 1,
    (0x00, 0x95): 1,
    (0x01, 0x95): 1,
    (0x00, 0xBD): 2,
    (0x00, 0xD3): 1,
    (0x02, 0x95): 1,
}
FIELDS: dict[tuple[int, int], tuple[Field, ...]] = {
    (0x00, 0xD3): (Field(quantity="battery_level", at=0),),
    (0x00, 0x88): (
        Field(quantity="latitude", at=0, form="i24", divide=_LATITUDE),
        Field(quantity="longitude", at=3, form="i24", divide=_LONGITUDE),
        Field(quantity="altitude", at=6, form="u16", divide=1 / 0.144958496, plus=-500),
    ),
    (0x00, 0x92): (Field(quantity="speed", at=0, divide=3.6),),
    (0x00, 0x74): (Field(quantity="pressure", at=0, form="u16", divide=10),),
    (0x00, 0x73): (Field(quantity="pressure", at=0, form="u16", divide=10, channel="raw"),),
    (0x00, 0x67): (Field(quantity="device_temperature", at=0, form="i16", divide=10),),
    (0x00, 0x71): tuple(
        Field(quantity=f"acceleration_{axis}", at=2 * number, form="i16", divide=1000)
        for number, axis in enumerate("xyz")
    ),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read field after field; behind one not known, the state of safety is still looked for."""
    if f_port in OTHER_PORTS:
        return Decoded()
    readings: list[Reading] = []
    events: list[Event] = []
    warnings: list[Warn] = []
    at = 0
    while at < len(payload):
        key = payload[at : at + KEY_LENGTH]
        length = LENGTHS.get((key[0], key[1])) if len(key) == KEY_LENGTH else None
        if length is None:
            warnings.append(Warn(text=f"unknown field {key.hex()}", offset=at))
            at = payload.find(SAFETY, at + 1)
            if at < 0:
                break
            continue
        data = payload[at + KEY_LENGTH : at + KEY_LENGTH + length]
        if len(data) < length:
            warnings.append(Warn(text="the field is cut short", offset=at))
            break
        readings += layout.read(FIELDS.get((key[0], key[1]), ()), data)
        if key == SAFETY:
            events += _safety(data[0])
        at += KEY_LENGTH + length
    return Decoded(readings=tuple(readings), events=tuple(events), warnings=tuple(warnings))


def _safety(state: int) -> Iterator[Event]:
    if state & BUTTON:
        yield Event(kind=EventKind.SOS)
    if state & FALL:
        yield Event(kind=EventKind.FALL)
    if not state & (BUTTON | FALL):
        yield Event(kind=EventKind.SOS_END)
        yield Event(kind=EventKind.FALL_END)


DECODER = Decoder(
    id="tektelic_seal",
    version=1,
    maker="TEKTELIC",
    model="SEAL",
    sos_capable=True,
    fall_capable=True,
    priority_f_ports=frozenset({F_PORT}),
    quantities=layout.quantities(*FIELDS.values()),
    decode=decode,
)
