"""A device's transmitter: which channel, what power, and when law and network let it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.region import DATA_RATES
from simulators.chance import uniform
from simulators.devices.device import Transmission
from simulators.mac.duty import HOUR_S, LAWFUL_S, REPORTS_S, DutyCycle
from simulators.mac.settings import Settings

_LENGTHS: Final = 2048
"""More than there are sizes times data rates."""


@lru_cache(maxsize=_LENGTHS)
def seconds_of(size: int, data_rate: int) -> float:
    """What `size` bytes take at a data rate, by its index: every frame asks, more than once."""
    return airtime(size, DATA_RATES[data_rate])


class Transmitter:
    """Of one device; `key` is that of its chance, `eirp` in dBm what it can send with."""

    __slots__ = ("_dev_eui", "_duty", "_eirp", "_key", "_number", "_off_until", "quiet_until")

    def __init__(self, dev_eui: DevEui, *, key: bytes, eirp: float) -> None:
        self._dev_eui, self._key, self._eirp = dev_eui, key, eirp
        self._duty = DutyCycle()
        self._number = 0
        self._off_until = 0.0
        self.quiet_until = 0.0
        """Regular reports keep off the air until then."""

    def clear_at(self, at: float, seconds: float, *, regular: bool) -> float:
        """When, from `at` on, a frame of `seconds` may go; `regular` ones leave room for calls."""
        earliest = max(at, self._off_until, self.quiet_until if regular else 0.0)
        return self._duty.free_at(earliest, seconds, REPORTS_S if regular else LAWFUL_S)

    def transmit(
        self,
        phy: bytes,
        data_rate: int,
        frequencies: tuple[int, ...],
        at: float,
        settings: Settings,
        *,
        f_cnt: int = 0,
        f_port: int | None = None,
    ) -> Transmission:
        """Put a frame on one of the channels."""
        self._number += 1
        seconds = seconds_of(len(phy), data_rate)
        self._duty.spend(at, seconds)
        if settings.duty_cycle:
            self._off_until = at + seconds * 2**settings.duty_cycle
        return Transmission(
            at=at,
            dev_eui=self._dev_eui,
            number=self._number,
            f_cnt=f_cnt,
            f_port=f_port,
            phy=phy,
            data_rate=DATA_RATES[data_rate],
            frequency=frequencies[int(uniform(self._key, 2 * self._number) * len(frequencies))],
            eirp=min(self._eirp, settings.max_eirp) - 2 * settings.tx_power,
            airtime=seconds,
        )

    def keep_quiet(self, sent: Transmission) -> None:
        """A regular report went out: the next ones wait for their share of the hour."""
        self.quiet_until = max(self.quiet_until, sent.at) + sent.airtime * HOUR_S / REPORTS_S

    def chance(self, low: float, high: float) -> float:
        """A number between two that belongs to the last transmission."""
        return low + (high - low) * uniform(self._key, 2 * self._number + 1)
