"""Lansitec bracelet, heard through a relay: heart, blood pressure, temperatures, steps.

Its bytes come in a relay's frame: decoders/lansitec.py, with the sources. The shorter message has
neither temperatures nor whether the bracelet is worn; calories are left out. Its byte for SOS is
not supported yet, says the manual: 1 in it is taken for a call. The interval of advertising, that
of sampling and the strength of the Bluetooth signal are left out.
"""

from __future__ import annotations

from decoders import lansitec, layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Warn

NOTHING = frozenset({0})
SOS_AT, SOS = 16, 1

SHORT = (
    Field(quantity="heart_rate", at=7, missing=NOTHING),
    Field(quantity="steps", at=8, form="u16"),
    Field(quantity="battery_level", at=10),
    Field(quantity="systolic_pressure", at=11, missing=NOTHING),
    Field(quantity="diastolic_pressure", at=12, missing=NOTHING),
)
LONG = (
    Field(quantity="battery_level", at=7),
    Field(quantity="heart_rate", at=8, missing=NOTHING),
    Field(quantity="systolic_pressure", at=9, missing=NOTHING),
    Field(quantity="diastolic_pressure", at=10, missing=NOTHING),
    Field(quantity="skin_temperature", at=11, form="u16", divide=10, missing=NOTHING),
    Field(quantity="body_temperature", at=13, form="u16", divide=10, missing=NOTHING),
    Field(quantity="steps", at=15, form="u24"),
    Field(quantity="worn", at=18, mask=0x01),
)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one bracelet's piece of a relay's frame."""
    del f_port
    message = lansitec.message(payload)
    if message == lansitec.LONG:
        length = 1 + lansitec.LONG_LENGTH
        return Decoded(
            readings=tuple(layout.read(LONG, payload)),
            warnings=layout.check(payload, length, length),
        )
    if message != lansitec.SHORT:
        return Decoded(warnings=(Warn(text="no piece of a relay's frame", offset=0),))
    length = 1 + lansitec.SHORT_LENGTH
    calls = layout.number(payload, SOS_AT, "u8") == SOS
    return Decoded(
        readings=tuple(layout.read(SHORT, payload)),
        events=(Event(kind=EventKind.SOS),) if calls else (),
        warnings=layout.check(payload, length, length),
    )


DECODER = Decoder(
    id="lansitec_bracelet",
    version=1,
    maker="Lansitec",
    model="bracelet, through a relay",
    sos_capable=True,
    quantities=layout.quantities(SHORT, LONG),
    decode=decode,
)
