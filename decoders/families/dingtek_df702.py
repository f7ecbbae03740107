"""Dingtek DF702: how full a bin is, whether it burns or lies tilted, and where it stands.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/dingtek/df702.js and
df702-codec.yaml. A frame stands between 80 and 81; its fourth byte is its kind, its eighth says
whether a position is in it. A battery is only told to be low. Numbers have the most significant
byte first, but for the position, two floats of the other order, 0 where no satellite was seen.

Left out is the angle, of which the published decoder takes the sign from an expression that is
always false. That decoder also tells frames by their length alone, and takes the fraction of a
float for slightly more than it is.
"""

from __future__ import annotations

import struct

from decoders import layout
from decoders.family import Decoder
from khaen.reading import Decoded, Reading, Warn

PARAMETERS = 3
"""The kind of a frame that answers a downlink."""
_KIND, _LEVEL, _POSITIONED, _POSITION = 3, 5, 7, 8
_POSITION_LAYOUT = struct.Struct("<ff")
_BODY_LENGTH = 9
"""Temperature, angle, flags, counter and the end."""


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read on whatever port; an engineer can change it."""
    del f_port
    if len(payload) < _POSITION:
        return Decoded(warnings=(Warn(text="the head is cut short", offset=len(payload)),))
    if payload[_KIND] == PARAMETERS:
        return Decoded()
    positioned = payload[_POSITIONED] & 1
    at = _POSITION + positioned * _POSITION_LAYOUT.size
    odd = layout.check(payload, at + _BODY_LENGTH, at + _BODY_LENGTH)
    if len(payload) < at + _BODY_LENGTH:
        return Decoded(readings=(_level(payload),), warnings=odd)
    where, warnings = _position(payload) if positioned else ((), ())
    body = payload[at:]
    return Decoded(
        readings=(
            _level(payload),
            *where,
            Reading(quantity="air_temperature", value=float(body[0])),
            Reading(quantity="full", value=float(body[3] >> 4 != 0)),
            Reading(quantity="fire", value=float(body[3] & 0x0F != 0)),
            Reading(quantity="tilt", value=float(body[4] >> 4 != 0)),
            Reading(quantity="battery_low", value=float(body[4] & 0x0F != 0)),
        ),
        warnings=(*warnings, *odd),
    )


def _level(payload: bytes) -> Reading:
    millimetres = int.from_bytes(payload[_LEVEL:_POSITIONED], "big")
    return Reading(quantity="distance", value=millimetres / 1000)


def _position(payload: bytes) -> tuple[tuple[Reading, ...], tuple[Warn, ...]]:
    longitude, latitude = _POSITION_LAYOUT.unpack_from(payload, _POSITION)
    if longitude == latitude == 0:
        return (), (Warn(text="no position", offset=_POSITION),)
    return (
        Reading(quantity="longitude", value=round(longitude, 6)),
        Reading(quantity="latitude", value=round(latitude, 6)),
    ), ()


DECODER = Decoder(
    id="dingtek_df702",
    version=1,
    maker="Dingtek",
    model="DF702",
    quantities=frozenset(
        {
            "distance", "longitude", "latitude", "air_temperature", "full", "fire", "tilt",
            "battery_low",
        }
    ),
    decode=decode,
)  # fmt: skip
