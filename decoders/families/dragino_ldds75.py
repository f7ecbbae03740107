"""Dragino LDDS75: distance to water or to whatever lies below, by ultrasound.

Source: https://github.com/chirpstack/chirpstack-device-profiles, vendors/dragino/codecs/ldds75.js.
0 says that the sensor is not there, 20 mm that it heard no echo it trusts. A thermometer that is
not there reads 0.0 degrees, which is therefore left out. Numbers have the most significant byte
first.
"""

from __future__ import annotations

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Warn

F_PORT = 2
_DISTANCE_AT = 2
FAILED = {0: "no sensor", 20: "no echo"}
FIELDS = (
    Field(quantity="battery_voltage", at=0, form="u16", mask=0x3FFF, divide=1000),
    Field(
        quantity="distance",
        at=_DISTANCE_AT,
        form="u16",
        divide=1000,
        missing=frozenset(FAILED),
    ),
    Field(quantity="probe_temperature", at=5, form="i16", divide=10, missing=frozenset({0})),
)
LENGTH = 8


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is another gives a warning."""
    if f_port != F_PORT:
        return Decoded(warnings=(Warn(text=f"nothing is read on port {f_port}", offset=0),))
    warnings = layout.check(payload, LENGTH, LENGTH)
    distance = layout.number(payload, _DISTANCE_AT, "u16")
    if distance in FAILED:
        warnings += (Warn(text=FAILED[distance], offset=_DISTANCE_AT),)
    return Decoded(readings=tuple(layout.read(FIELDS, payload)), warnings=warnings)


DECODER = Decoder(
    id="dragino_ldds75",
    version=1,
    maker="Dragino",
    model="LDDS75",
    quantities=layout.quantities(FIELDS),
    decode=decode,
)
