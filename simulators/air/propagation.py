"""How much of a signal arrives: path loss by distance and antenna heights, shadows, noise.

Path loss is M. Hata's formula for Okumura's measurements ("Empirical formula for propagation loss
in land mobile radio services", IEEE Trans. VT-29, 1980; also ITU-R P.529): 150 to 1500 MHz, 1 to
20 km, base stations of 30 to 200 m, mobiles of 1 to 10 m. Nearer and lower it goes on by the same
formula, and never below the loss of free space.
"""

from __future__ import annotations

import enum
import math
from functools import lru_cache
from typing import Final

from khaen.site.model import Position
from simulators.chance import gauss, make_key

MHZ: Final = 923.0
"""The band's frequency, at which loss is computed; 2 MHz more or less change it by 0.03 dB."""
SHADOWING: Final = 7.8
"""dB: σ by place, measured for LoRa over land (Petäjäjärvi et al., ITST 2015)."""
SHADOW_DEGREES: Final = 0.0005
"""Spots within about 55 m of each other lie in the same shadow.

M. Gudmundson, Electronics Letters 27 (1991): shadows of a suburb are related over some hundred
metres, of a city over some ten.
"""
NOISE_FIGURE: Final = 6.0
"""dB of a receiver; an assumption that is usual for LoRa gateways."""
_EARTH_KM: Final = 6371.0
_NEAREST_KM: Final = 0.02
_LOWEST_M: Final = 1.0
_HIGHEST_MOBILE_M: Final = 10.0
_HEIGHTS, _GATEWAYS = 4096, 4096
"""So many pairs of antenna heights, and gateways, are remembered for the devices that follow."""


class Terrain(enum.StrEnum):
    """What lies between: Hata's small or medium-sized city, suburban area, or open area."""

    CITY = "city"
    SUBURB = "suburb"
    OPEN = "open"


def distance_km(a: Position, b: Position) -> float:
    """Great-circle distance."""
    north, south = math.radians(a.latitude), math.radians(b.latitude)
    d_lat, d_lon = north - south, math.radians(a.longitude - b.longitude)
    h = math.sin(d_lat / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(d_lon / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(h))


def free_space_loss(km: float, mhz: float = MHZ) -> float:
    """Loss in dB of free space (ITU-R P.525)."""
    return 32.45 + 20 * math.log10(mhz) + 20 * math.log10(km)


def path_loss(
    km: float,
    *,
    base: float,
    mobile: float,
    terrain: Terrain = Terrain.SUBURB,
    mhz: float = MHZ,
) -> float:
    """Median loss in dB over `km` between antennas `base` and `mobile` metres above ground.

    Nearer than 20 m counts as 20 m, lower than 1 m as 1 m, a mobile above 10 m as 10 m.
    """
    km = max(km, _NEAREST_KM)
    at_1_km, each_decade, less = _hata(base, mobile, terrain, mhz)
    loss = at_1_km + each_decade * math.log10(km) - less
    return max(loss, free_space_loss(km, mhz))


@lru_cache(maxsize=_HEIGHTS)
def _hata(base: float, mobile: float, terrain: Terrain, mhz: float) -> tuple[float, float, float]:
    """In dB: the loss of a city at 1 km, of each decade of distance, and what terrain takes off."""
    base, mobile = max(base, _LOWEST_M), min(max(mobile, _LOWEST_M), _HIGHEST_MOBILE_M)
    log_f, log_base = math.log10(mhz), math.log10(base)
    correction = (1.1 * log_f - 0.7) * mobile - (1.56 * log_f - 0.8)
    less = 0.0
    if terrain is Terrain.SUBURB:
        less = 2 * math.log10(mhz / 28) ** 2 + 5.4
    elif terrain is Terrain.OPEN:
        less = 4.78 * log_f**2 - 18.33 * log_f + 40.94
    at_1_km = 69.55 + 26.16 * log_f - 13.82 * log_base - correction
    return at_1_km, 44.9 - 6.55 * log_base, less


def shadow(seed: object, gateway: str, spot: Position) -> float:
    """What buildings and trees add to the median loss at a spot, in dB; it stays."""
    row = math.floor(spot.latitude / SHADOW_DEGREES)
    column = math.floor(spot.longitude / SHADOW_DEGREES)
    return SHADOWING * gauss(_shadow_key(seed, gateway), row << 24 | column & 0xFF_FFFF)


@lru_cache(maxsize=_GATEWAYS)
def _shadow_key(seed: object, gateway: str) -> bytes:
    return make_key(seed, "shadow", gateway)


def noise_floor(bandwidth: int) -> float:
    """Thermal noise in dBm of a bandwidth in Hz, with the receiver's own."""
    return -174 + 10 * math.log10(bandwidth) + NOISE_FIGURE
