"""Digital Matter's payloads, little-endian.

Source: https://github.com/chirpstack/chirpstack-device-profiles,
vendors/digital-matter/codecs/digital-matter-g62.js.
"""

from __future__ import annotations

import struct
from typing import Final

F_PORT: Final = 1
"""Everything in one frame."""
_NO_TRIP, _IGNITION_TRIP = 0, 1
_SUPPLIED, _FIX, _IGNITION = 0x4, 0x8, 0x1


def encode_g62(
    *,
    latitude: float,
    longitude: float,
    heading: float,
    speed: float,
    ignition: bool,
    battery: float,
    supply: float,
    temperature: float,
    accuracy: float,
    time: int,
) -> bytes:
    """Return a G62's frame: degrees, km/h, V, °C, m, seconds since 1970. Raises ValueError."""
    trip = _IGNITION_TRIP if ignition else _NO_TRIP
    try:
        return struct.pack(
            "<iiBBBHHbBH",
            round(latitude * 1e7) & ~0xF | trip | _SUPPLIED | _FIX,
            round(longitude * 1e7) & ~0xF | (_IGNITION if ignition else 0),
            round(heading / 2) % 180,
            round(speed),
            round(battery / 0.02),
            round(supply * 1000),
            0,
            round(temperature),
            round(accuracy),
            time % 65535,
        )
    except struct.error as error:
        raise ValueError(str(error)) from error
