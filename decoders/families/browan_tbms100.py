"""Browan TBMS100: whether somebody moves in a room.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/browan/tbms100.js and its
examples. The minutes since the last movement (bytes 3–4) are the room's, not a person's, and are
left out.
"""

from __future__ import annotations

from decoders import browan, layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Warn

F_PORT = 102
LENGTH = 8

FIELDS = (
    Field(quantity="occupancy", at=0, mask=browan.STATE),
    *browan.HEAD,
    Field(quantity="motion_count", at=5, form="u24"),
)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is another gives a warning."""
    if f_port != F_PORT:
        return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))
    return Decoded(
        readings=tuple(layout.read(FIELDS, payload, "little")),
        warnings=layout.check(payload, LENGTH, LENGTH),
    )


DECODER = Decoder(
    id="browan_tbms100",
    version=1,
    maker="Browan",
    model="TBMS100",
    quantities=layout.quantities(FIELDS),
    decode=decode,
)
