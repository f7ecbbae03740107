"""From an opened uplink to readings and events, whatever the family.

Plausibility is judged here, once for all families: a value outside its quantity's range is kept
and marked suspect. Events are never touched by it, so that no call is lost because a field beside
it is bad.
"""

from __future__ import annotations

import math
from dataclasses import replace

from decoders import catalogue
from decoders.family import Decoder
from khaen.quantity import QUANTITIES
from khaen.reading import Decoded, Quality, Reading, Warn
from khaen.uplink import PORTS_OF_THE_NETWORK, Uplink

EMPTY = Decoded()


def decode(family: str, uplink: Uplink) -> Decoded:
    """What the uplink says, read as the family's. Raises SettingsError for an unknown family.

    An empty payload, and what only the network reads (ports 0 and 226), says nothing.
    """
    return decode_payload(family, uplink.f_port, uplink.payload)


def decode_payload(family: str, f_port: int, payload: bytes) -> Decoded:
    """The same for bytes that came without an uplink."""
    return read(catalogue.family(family), f_port, payload)


def read(decoder: Decoder, f_port: int, payload: bytes) -> Decoded:
    """The same by a decoder that may be another than today's."""
    if not payload or f_port in PORTS_OF_THE_NETWORK:
        return EMPTY
    return judge(decoder.decode(f_port, payload))


def judge(decoded: Decoded) -> Decoded:
    """Mark implausible values as suspect; drop what is no number or unknown, with a warning."""
    for reading in decoded.readings:
        quantity = QUANTITIES.get(reading.quantity)
        if quantity is None or not quantity.low <= reading.value <= quantity.high:
            return _mark(decoded)
    return decoded


def _mark(decoded: Decoded) -> Decoded:
    kept: list[Reading] = []
    warnings = list(decoded.warnings)
    for reading in decoded.readings:
        quantity = QUANTITIES.get(reading.quantity)
        if quantity is None:
            warnings.append(Warn(text=f"{reading.quantity} is not in the catalogue"))
        elif not math.isfinite(reading.value):
            warnings.append(Warn(text=f"{reading.quantity} is not a number"))
        elif quantity.low <= reading.value <= quantity.high:
            kept.append(reading)
        else:
            kept.append(replace(reading, quality=Quality.SUSPECT))
    return replace(decoded, readings=tuple(kept), warnings=tuple(warnings))
