"""Who hears whom: what arrives where, what a chip demodulates, and what other frames spoil.

Demodulation needs the SNR of Semtech's SX1276/77/78/79 data sheet, table 13. A gateway has the
eight demodulators of Semtech's SX1301 and hears nothing while it transmits. Antennas have no
pattern, the ground is flat, and only frames of the same frequency meet: plausible, not exact.
docs/radio.md says what else is left out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.region import DATA_RATES, MAX_EIRP, DataRate
from khaen.site.model import Position
from simulators.air.interference import survives
from simulators.air.propagation import Terrain, distance_km, noise_floor, path_loss, shadow
from simulators.chance import gauss, make_key
from simulators.devices.device import Transmission

FADING: Final = 1.5
"""dB: σ from frame to frame on one path; an assumption for devices that stand still."""
GATEWAY_GAIN: Final = 5.0
"""dBi of an outdoor gateway's antenna, its cable deducted."""
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
DEMODULATORS: Final = 8
"""SX1301 data sheet: so many frames at once, whatever their channel and spreading factor."""
SLOWEST: Final = 2
"""Data rate: the slowest that says anything within 400 ms of dwell time."""
FASTEST: Final = 5
_DOWN: Final = 1 << 62
"""Fading of downlinks is another than that of uplinks with the same number."""
_REMEMBERED_S: Final = 10.0
_NOISE: Final = {rate.index: noise_floor(rate.bandwidth) for rate in DATA_RATES if rate.bandwidth}
_INAUDIBLE_LOSS: Final = MAX_EIRP + GATEWAY_GAIN - _NOISE[0] - REQUIRED_SNR[12] + 6 * FADING


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """One gateway's hearing of a frame: `rssi` in whole dBm, `snr` in dB with quarters."""

    gateway_eui: GatewayEui
    transmission: Transmission
    rssi: int
    snr: float


@dataclass(slots=True, kw_only=True)
class Losses:
    """Why gateways that were near enough did not hear a frame, in receptions."""

    collided: int = 0
    no_demodulator: int = 0
    transmitting: int = 0


@dataclass(frozen=True, slots=True)
class _Path:
    """From a spot to a gateway: median loss in dB, and the key of its fading."""

    gateway: GatewayEui
    loss: float
    key: bytes


class Flight:
    """A frame on the air, with the power in dBm at each gateway and what it meets on its way."""

    __slots__ = ("locked", "met", "powers", "sent", "sf")

    def __init__(self, sent: Transmission, sf: int) -> None:
        self.sent, self.sf = sent, sf
        self.powers: dict[GatewayEui, float] = {}
        self.locked: list[GatewayEui] = []
        self.met: list[Flight] = []


class Radio:
    """The air between devices and gateways; the same `seed` gives the same hearings.

    Flights begin in the order of their time, and each ends before one of later time begins.
    """

    def __init__(
        self,
        gateways: Mapping[GatewayEui, Position],
        *,
        seed: object,
        terrain: Terrain = Terrain.SUBURB,
    ) -> None:
        self.losses = Losses()
        self._gateways = dict(gateways)
        self._seed, self._terrain = seed, terrain
        self._paths: dict[DevEui, tuple[_Path, ...]] = {}
        self._air: dict[int, list[Flight]] = {}
        self._demodulating: dict[GatewayEui, list[float]] = {eui: [] for eui in gateways}
        self._sending: dict[GatewayEui, list[tuple[float, float]]] = {eui: [] for eui in gateways}

    # -- places -------------------------------------------------------------

    def place(self, dev_eui: DevEui, position: Position) -> None:
        """Say where a device is; at one spot its shadows stay the same."""
        self._paths[dev_eui] = tuple(self._find_paths(dev_eui, position))

    def _find_paths(self, dev_eui: DevEui, position: Position) -> Iterator[_Path]:
        for gateway, where in self._gateways.items():
            km = distance_km(position, where)
            loss = path_loss(
                km, base=where.height, mobile=position.height, terrain=self._terrain
            ) + shadow(self._seed, gateway, position)
            if loss <= _INAUDIBLE_LOSS:
                yield _Path(gateway, loss, make_key(self._seed, "fade", dev_eui, gateway))

    def snr(self, dev_eui: DevEui, gateway: GatewayEui, eirp: float) -> float:
        """The median SNR in dB at 125 kHz of a device sending with `eirp` dBm.

        Minus infinity where a gateway is out of all reach.
        """
        path = self._path(dev_eui, gateway)
        return _snr(path, eirp) if path else -math.inf

    def _path(self, dev_eui: DevEui, gateway: GatewayEui) -> _Path | None:
        return next((path for path in self._paths[dev_eui] if path.gateway == gateway), None)

    def covering(
        self, dev_eui: DevEui, eirp: float, data_rate: DataRate, *, margin: float
    ) -> tuple[GatewayEui, ...]:
        """The gateways that hear a data rate with `margin` dB in hand, best first."""
        least = _required(data_rate) + margin
        heard = [(_snr(path, eirp), path.gateway) for path in self._paths[dev_eui]]
        return tuple(gateway for snr, gateway in sorted(heard, reverse=True) if snr >= least)

    def choose_data_rate(self, dev_eui: DevEui, eirp: float) -> DataRate:
        """The fastest data rate that reaches the best gateway with `MARGIN`; else the slowest."""
        best = max((_snr(path, eirp) for path in self._paths[dev_eui]), default=-math.inf)
        for index in range(FASTEST, SLOWEST, -1):
            if best >= _required(DATA_RATES[index]) + MARGIN:
                return DATA_RATES[index]
        return DATA_RATES[SLOWEST]

    # -- uplinks ------------------------------------------------------------

    def begin(self, sent: Transmission) -> Flight:
        """A device transmits: where its frame arrives, and which gateways begin to demodulate."""
        flight = Flight(sent, _spreading_factor(sent.data_rate))
        least = _NOISE[sent.data_rate.index] + REQUIRED_SNR[flight.sf]
        strength = sent.eirp + GATEWAY_GAIN
        for path in self._paths[sent.dev_eui]:
            power = strength - path.loss + FADING * gauss(path.key, sent.number)
            flight.powers[path.gateway] = power
            if power >= least:
                self._lock(flight, path.gateway)
        air = self._air.get(sent.frequency, [])
        still = [other for other in air if other.sent.ends > sent.at]
        for other in still:
            other.met.append(flight)
        flight.met = still.copy()
        still.append(flight)
        self._air[sent.frequency] = still
        return flight

    def _lock(self, flight: Flight, gateway: GatewayEui) -> None:
        busy = self._demodulating[gateway]
        while busy and busy[0] <= flight.sent.at:
            heapq.heappop(busy)
        if len(busy) < DEMODULATORS:
            heapq.heappush(busy, flight.sent.ends)
            flight.locked.append(gateway)
        else:
            self.losses.no_demodulator += 1

    def end(self, flight: Flight) -> tuple[Hearing, ...]:
        """A frame is over: the gateways that demodulated it, in the order of their site."""
        return tuple(self._hear(flight))

    def _hear(self, flight: Flight) -> Iterator[Hearing]:
        sent = flight.sent
        noise = _NOISE[sent.data_rate.index]
        for gateway in flight.locked:
            power = flight.powers[gateway]
            if self._sending[gateway] and self._is_sending(gateway, sent.at, sent.ends):
                self.losses.transmitting += 1
            elif flight.met and not survives(power, flight.sf, _others(flight, gateway)):
                self.losses.collided += 1
            else:
                yield Hearing(
                    gateway_eui=gateway,
                    transmission=sent,
                    rssi=_rssi(power, noise),
                    snr=min(HIGHEST_SNR, round((power - noise) * 4) / 4),
                )

    # -- downlinks ----------------------------------------------------------

    def transmit(self, gateway: GatewayEui, begin: float, end: float) -> None:
        """A gateway transmits, and hears nothing meanwhile."""
        kept = [span for span in self._sending[gateway] if span[1] > begin - _REMEMBERED_S]
        self._sending[gateway] = [*kept, (begin, end)]

    def _is_sending(self, gateway: GatewayEui, begin: float, end: float) -> bool:
        return any(a < end and b > begin for a, b in self._sending[gateway])

    def reach(
        self, gateway: GatewayEui, dev_eui: DevEui, eirp: float, data_rate: DataRate, number: int
    ) -> float | None:
        """The SNR in dB with which a device hears a gateway's frame; None where it does not.

        `number` counts the gateway's transmissions.
        """
        path = self._path(dev_eui, gateway)
        if path is None or data_rate.index not in _NOISE:
            return None
        fade = FADING * gauss(path.key, _DOWN | number)
        snr = eirp - path.loss + fade - _NOISE[data_rate.index]
        return snr if snr >= _required(data_rate) else None


def _snr(path: _Path, eirp: float) -> float:
    return eirp + GATEWAY_GAIN - path.loss - _NOISE[0]


def _others(flight: Flight, gateway: GatewayEui) -> Iterator[tuple[float, int, float]]:
    sent = flight.sent
    for other in flight.met:
        power = other.powers.get(gateway)
        if power is not None:
            overlap = min(sent.ends, other.sent.ends) - max(sent.at, other.sent.at)
            yield power, other.sf, overlap / sent.airtime


def _rssi(power: float, noise: float) -> int:
    """What a chip calls RSSI is the power in the channel, noise included."""
    return round(10 * math.log10(10 ** (power / 10) + 10 ** (noise / 10)))


def _spreading_factor(data_rate: DataRate) -> int:
    if data_rate.spreading_factor is None:
        raise ValueError("FSK is not simulated")
    return data_rate.spreading_factor


def _required(data_rate: DataRate) -> float:
    return REQUIRED_SNR[_spreading_factor(data_rate)]
