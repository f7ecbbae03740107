"""Uplinks as gateways hand them over: which count, and which copies belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chirpstack_api import gw

from khaen.lorawan.region import THAI_CHANNELS, data_rate_of

_FREQUENCIES: Final = frozenset(channel.frequency for channel in THAI_CHANNELS)
_YEAR_10000: Final = 253_402_300_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One uplink and all who heard it."""

    frame: gw.UplinkFrame
    receptions: list[gw.UplinkRxInfo]

    @property
    def best(self) -> gw.UplinkRxInfo:
        """The reception whose gateway answers: best signal to noise, then strongest."""
        return max(self.receptions, key=lambda rx: (rx.snr, rx.rssi))


def is_plausible(frame: gw.UplinkFrame) -> bool:
    """Whether it came by a channel and a LoRa data rate of the region, and its CRC was good.

    A time that no calendar has is no gateway's either, nor a ratio that no radio measures.
    """
    lora = frame.tx_info.modulation.lora
    at = frame.rx_info.gw_time
    return (
        0 <= at.seconds < _YEAR_10000
        and 0 <= at.nanos < 1_000_000_000
        and -200 <= frame.rx_info.snr <= 200
        and frame.tx_info.frequency in _FREQUENCIES
        and lora.code_rate == gw.CR_4_5
        and data_rate_of(lora.spreading_factor, lora.bandwidth) is not None
        and frame.rx_info.crc_status != gw.BAD_CRC
    )
