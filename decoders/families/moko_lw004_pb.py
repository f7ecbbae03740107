"""MOKO LW004-PB: a panic button that knows where it is. Its common bytes: decoders/moko.py.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/moko/lw004.js (firmware 3).
Numbers are big-endian. Left out are the age of a position, the stations heard, and why a position
was not found.

Differs from the published codec: the battery is a number, not a text.
"""

from __future__ import annotations

from decoders import layout, moko
from decoders.family import Decoder
from decoders.layout import Field
from decoders.moko import HEAD, Code, Port
from khaen.reading import Decoded, EventKind

EVENT_PORT = 1
STATES = {2: EventKind.MAN_DOWN, 3: EventKind.SOS, 4: EventKind.SOS}
EVENTS = {
    3: EventKind.SOS,
    4: EventKind.SOS_END,
    5: EventKind.SOS,
    6: EventKind.SOS_END,
    7: EventKind.MAN_DOWN,
    8: EventKind.MAN_DOWN_END,
}
STATE = (Code(at=1, mask=0x0F, kinds=STATES),)
# Beside a position the state has three bits: the two lowest are the highest of its age.
STATE_OF_POSITION = (Code(at=1, mask=0x1C, shift=2, kinds=STATES),)
POSITION = (
    *HEAD,
    Field(quantity="latitude", at=7, form="i32", divide=1e7),
    Field(quantity="longitude", at=3, form="i32", divide=1e7),
)

PORTS: moko.Ports = {
    EVENT_PORT: Port(length=7, time_at=2, codes=(Code(at=6, kinds=EVENTS),)),
    2: Port(length=9, codes=STATE),
    3: Port(length=8, codes=STATE, time_at=3),
    4: Port(length=7, codes=STATE, time_at=3),
    5: Port(length=8, codes=STATE, time_at=3, says=EventKind.BATTERY_LOW),
    6: Port(length=11, codes=STATE_OF_POSITION, fields=POSITION),
    7: Port(length=7, codes=STATE),
    8: Port(length=4, codes=STATE),
    9: Port(length=3, codes=STATE),
    10: Port(length=11, codes=STATE_OF_POSITION, fields=POSITION),
    11: Port(length=7, codes=STATE),
    12: Port(length=4, codes=STATE),
    13: Port(length=3, codes=STATE),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the device's gives a warning."""
    return moko.decode(PORTS, f_port, payload)


DECODER = Decoder(
    id="moko_lw004_pb",
    version=1,
    maker="MOKO",
    model="LW004-PB",
    sos_capable=True,
    fall_capable=True,
    # The upper four are the positions of a call.
    priority_f_ports=frozenset({EVENT_PORT, 10, 11, 12, 13}),
    quantities=layout.quantities(POSITION),
    decode=decode,
)
