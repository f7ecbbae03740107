"""Who hears whom: path loss, shadowing that stays, noise, and what a chip demodulates.

Path loss is the log-distance model that J. Petäjäjärvi et al. measured for LoRa over land at
868 MHz ("On the coverage of LPWANs", ITST 2015: 128.95 dB at 1 km, exponent 2.32, shadowing of
σ 7.8 dB). Demodulation needs the SNR of Semtech's SX1276/77/78/79 data sheet, table 13. Frames do
not collide, antennas have no pattern, and the ground is flat: plausible, not exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.region import DATA_RATES, DataRate
from khaen.site.model import Position
from simulators.device import Transmission

LOSS_AT_1_KM: Final = 128.95
EXPONENT: Final = 2.32
SHADOWING: Final = 7.8
FADING: Final = 1.5
"""dB: σ from frame to frame on one path."""
GATEWAY_GAIN: Final = 5.0
"""dBi of an outdoor gateway's antenna, its cable deducted."""
NOISE_FIGURE: Final = 6.0
"""dB of a gateway's receiver."""
HIGHEST_SNR: Final = 12.0
"""dB: a chip's estimate does not go beyond."""
MARGIN: Final = 6.0
"""dB that adaptive data rate keeps in hand."""
REQUIRED_SNR: Final[Mapping[int, float]] = {
    7: -7.5,
    8: -10.0,
    9: -12.5,
    10: -15.0,
    11: -17.5,
    12: -20.0,
}
SLOWEST: Final = 2
"""Data rate: the slowest that says anything within 400 ms of dwell time."""
FASTEST: Final = 5
_EARTH_KM: Final = 6371.0
_NEAREST_KM: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """One gateway's hearing of a frame: `rssi` in whole dBm, `snr` in dB with quarters."""

    gateway_eui: GatewayEui
    transmission: Transmission
    rssi: int
    snr: float


def distance_km(a: Position, b: Position) -> float:
    """Great-circle distance."""
    north, south = math.radians(a.latitude), math.radians(b.latitude)
    d_lat, d_lon = north - south, math.radians(a.longitude - b.longitude)
    h = math.sin(d_lat / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(d_lon / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(h))


def path_loss(km: float) -> float:
    """Median loss in dB over `km`; nearer than 20 m counts as 20 m."""
    return LOSS_AT_1_KM + 10 * EXPONENT * math.log10(max(km, _NEAREST_KM))


def noise_floor(bandwidth: int) -> float:
    """Thermal noise in dBm of a bandwidth in Hz, with the receiver's own."""
    return -174 + 10 * math.log10(bandwidth) + NOISE_FIGURE


class Radio:
    """The air between devices and gateways; the same `seed` gives the same hearings."""

    def __init__(self, gateways: Mapping[GatewayEui, Position], *, seed: int) -> None:
        self._gateways = dict(gateways)
        self._seed = seed
        self._places: dict[DevEui, dict[GatewayEui, float]] = {}

    def place(self, dev_eui: DevEui, position: Position) -> None:
        """Say where a device is; at one spot its shadows stay the same."""
        self._places[dev_eui] = {
            gateway: path_loss(distance_km(position, where))
            + self._shadow(dev_eui, position, gateway)
            for gateway, where in self._gateways.items()
        }

    def _shadow(self, dev_eui: DevEui, position: Position, gateway: GatewayEui) -> float:
        spot = f"{position.latitude:.5f},{position.longitude:.5f}"
        return Random(f"{self._seed}|shadow|{dev_eui}|{spot}|{gateway}").gauss(0.0, SHADOWING)

    def snr(self, dev_eui: DevEui, gateway: GatewayEui, eirp: float) -> float:
        """The median SNR in dB at 125 kHz of a device sending with `eirp` dBm."""
        return eirp + GATEWAY_GAIN - self._places[dev_eui][gateway] - noise_floor(125_000)

    def covering(
        self, dev_eui: DevEui, eirp: float, data_rate: DataRate, *, margin: float
    ) -> tuple[GatewayEui, ...]:
        """The gateways that hear a data rate with `margin` dB in hand, best first."""
        least = _required(data_rate) + margin
        heard = [(self.snr(dev_eui, gateway, eirp), gateway) for gateway in self._gateways]
        return tuple(gateway for snr, gateway in sorted(heard, reverse=True) if snr >= least)

    def choose_data_rate(self, dev_eui: DevEui, eirp: float) -> DataRate:
        """The fastest data rate that reaches the best gateway with `MARGIN`; else the slowest."""
        best = max(self.snr(dev_eui, gateway, eirp) for gateway in self._gateways)
        for index in range(FASTEST, SLOWEST, -1):
            if best >= _required(DATA_RATES[index]) + MARGIN:
                return DATA_RATES[index]
        return DATA_RATES[SLOWEST]

    def hear(self, transmission: Transmission) -> tuple[Hearing, ...]:
        """The gateways that demodulate a frame, in the order in which they were given."""
        return tuple(self._hear(transmission))

    def _hear(self, sent: Transmission) -> Iterable[Hearing]:
        noise = noise_floor(sent.data_rate.bandwidth)
        for gateway, loss in self._places[sent.dev_eui].items():
            fade = Random(f"{self._seed}|fade|{sent.dev_eui}|{sent.f_cnt}|{gateway}")
            signal = sent.eirp + GATEWAY_GAIN - loss + fade.gauss(0.0, FADING)
            if signal - noise < _required(sent.data_rate):
                continue
            # What a chip calls RSSI is the power in the channel, noise included.
            power = 10 * math.log10(10 ** (signal / 10) + 10 ** (noise / 10))
            yield Hearing(
                gateway_eui=gateway,
                transmission=sent,
                rssi=round(power),
                snr=min(HIGHEST_SNR, round((signal - noise) * 4) / 4),
            )


def _required(data_rate: DataRate) -> float:
    if data_rate.spreading_factor is None:
        raise ValueError("FSK is not simulated")
    return REQUIRED_SNR[data_rate.spreading_factor]
