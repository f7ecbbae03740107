"""Browan TBPB100: a button to press for help.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/browan/tbpb100.js and its
examples. What stands behind the third byte is not published. The published codec reads port 147
only; here a press on any port is a call.
"""

from __future__ import annotations

from decoders import browan, layout
from decoders.family import Decoder
from khaen.reading import Decoded, Event, EventKind

F_PORT = 147
LENGTH = 3


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame, on whatever port: a call must not depend on it."""
    del f_port
    pressed = bool(payload) and payload[0] & browan.STATE
    return Decoded(
        readings=tuple(layout.read(browan.HEAD, payload)),
        events=(Event(kind=EventKind.SOS),) if pressed else (),
        warnings=layout.check(payload, LENGTH),
    )


DECODER = Decoder(
    id="browan_tbpb100",
    version=1,
    maker="Browan",
    model="TBPB100",
    sos_capable=True,
    priority_f_ports=frozenset({F_PORT}),
    quantities=layout.quantities(browan.HEAD),
    decode=decode,
)
