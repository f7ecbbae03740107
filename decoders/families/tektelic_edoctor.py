"""TEKTELIC eDoctor: a sensor on the chest; breath, heart, skin, nine bytes on port 10.

Source: the table of fields in https://github.com/TheThingsNetwork/lorawan-devices,
vendor/tektelic/decoder_edoctor.js, read by its places. The code under that table takes all nine
bytes for the first field, and yields only the battery: of everything but the battery it differs.

The table calls the temperature the body's; the maker's user guide says that it is the skin's. The
mode, cough and chest expansion (bytes 3–4), the flag AF and the codes of posture (byte 5) are left
out: what they stand for is not published. The last two bytes are not used.
"""

from __future__ import annotations

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Warn

F_PORT, SETTINGS_PORT = 10, 100
LENGTH = 9
NOTHING = frozenset({0})

FIELDS = (
    Field(quantity="battery_level", at=0, divide=1 / 0.391304348, plus=0.608695652),
    Field(quantity="skin_temperature", at=1, divide=20, plus=30, missing=NOTHING),
    Field(quantity="respiratory_rate", at=2, missing=NOTHING),
    Field(quantity="heart_rate", at=6, missing=NOTHING),
)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; on the port of settings there is nothing for us."""
    if f_port == SETTINGS_PORT:
        return Decoded()
    if f_port != F_PORT:
        return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))
    return Decoded(
        readings=tuple(layout.read(FIELDS, payload)),
        warnings=layout.check(payload, LENGTH, LENGTH),
    )


DECODER = Decoder(
    id="tektelic_edoctor",
    version=1,
    maker="TEKTELIC",
    model="eDoctor",
    quantities=layout.quantities(FIELDS),
    decode=decode,
)
