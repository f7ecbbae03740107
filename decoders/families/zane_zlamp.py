"""Zane zLamp: a controller in the head of a street light, over DALI.

Source: https://github.com/tago-io/decoders, decoders/connector/zane/zlamp/v1.0.0/payload.js. Port
118 has how far the lamp is dimmed and whether it burns, port 202 whether it is broken (DE) or well
(anything else). That decoder compares with capital letters, so that it takes `de` for well.
"""

from __future__ import annotations

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Reading, Warn

STATE_PORT = 118
HEALTH_PORT = 202
BROKEN = b"\xde"


_STATE = (
    Field(quantity="dim_level", at=0),
    Field(quantity="light_on", at=1, mask=1),
)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the two gives a warning."""
    if f_port == STATE_PORT:
        return Decoded(
            readings=tuple(layout.read(_STATE, payload)),
            warnings=layout.check(payload, layout.length(_STATE), layout.length(_STATE)),
        )
    if f_port == HEALTH_PORT:
        fault = Reading(quantity="lamp_fault", value=float(payload == BROKEN))
        return Decoded(readings=(fault,), warnings=layout.check(payload, 1, 1))
    return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))


DECODER = Decoder(
    id="zane_zlamp",
    version=1,
    maker="Zane",
    model="zLamp",
    quantities=layout.quantities(_STATE) | {"lamp_fault"},
    decode=decode,
)
