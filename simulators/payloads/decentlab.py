"""Decentlab's payloads: a header, then words of 16 bits, big-endian, sensor after sensor.

Source: https://github.com/chirpstack/chirpstack-device-profiles, vendors/decentlab/codecs/dl-pm.js.
"""

from __future__ import annotations

import struct
from typing import Final

F_PORT: Final = 1
_PROTOCOL: Final = 2
_ALL_SENSORS: Final = 0x000F


def encode_dl_pm(
    *,
    device: int,
    battery: float,
    pm1_0: float,
    pm2_5: float,
    pm10: float,
    temperature: float,
    humidity: float,
    pressure: float,
) -> bytes:
    """Return a DL-PM's frame with all its sensors: V, µg/m³, °C, %, hPa. Raises ValueError.

    What the device counts besides, particles by size, is filled in as numbers that fit.
    """
    pm4 = (pm2_5 + pm10) / 2
    counts = [pm2_5 * factor for factor in (6.5, 7.6, 7.7, 7.7, 7.7)]
    words = (
        round(battery * 1000),
        *(round(value * 10) for value in (pm1_0, pm2_5, pm4, pm10)),
        *(round(count * 10) for count in counts),
        550,  # typical size in nm
        round((temperature + 46.85) / 175.72 * 65536),
        round((humidity + 6) / 125 * 65536),
        round(pressure * 100 / 2),
    )
    try:
        return struct.pack(f">BHH{len(words)}H", _PROTOCOL, device, _ALL_SENSORS, *words)
    except struct.error as error:
        raise ValueError(str(error)) from error
