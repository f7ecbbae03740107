"""Uplinks as gateways hand them over: which count, and which copies belong together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from chirpstack_api import gw

from khaen.clock import from_gps
from khaen.lorawan.frame import MAX_PHY_SIZE
from khaen.lorawan.region import data_rate_of
from simulators.network.adr import required_snr
from simulators.network.plan import Network

_DRIFT: Final = timedelta(seconds=30)
_YEAR_9000: Final = 221_845_392_000
"""Seconds since 1970 beyond which no calendar here goes."""

_MAX_RX_INFO: Final = 4_096
"""Bytes of what a gateway says of one hearing, its metadata included; some hundred are usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One uplink and all who heard it; `id` is what its events have in common."""

    id: str
    frame: gw.UplinkFrame
    receptions: list[gw.UplinkRxInfo]

    @property
    def best(self) -> gw.UplinkRxInfo:
        """The reception whose gateway answers: best signal to noise, then strongest."""
        return max(self.receptions, key=lambda rx: (rx.snr, rx.rssi))

    @property
    def snr(self) -> float:
        """The best signal to noise ratio, in dB."""
        return float(max(rx.snr for rx in self.receptions))

    @property
    def required_snr(self) -> float:
        """The ratio in dB below which nobody would have heard it."""
        return required_snr(self.frame.tx_info.modulation.lora.spreading_factor)

    @property
    def dr(self) -> int:
        """The data rate's index."""
        lora = self.frame.tx_info.modulation.lora
        rate = data_rate_of(lora.spreading_factor, lora.bandwidth)
        return rate.index if rate is not None else 0

    def at(self, now: datetime) -> datetime:
        """When it was heard: by GPS, else a gateway's clock within 30 s of ours, else now."""
        for rx in self.receptions:
            if rx.HasField("time_since_gps_epoch"):
                since: timedelta = rx.time_since_gps_epoch.ToTimedelta()
                if (told := from_gps(since)) is not None:
                    return told
        for rx in self.receptions:
            if rx.HasField("gw_time"):
                at: datetime = rx.gw_time.ToDatetime(tzinfo=UTC)
                if abs(at - now) < _DRIFT:
                    return at
        return now


def is_plausible(frame: gw.UplinkFrame, network: Network) -> bool:
    """Whether it came by a channel and a LoRa data rate of the network, and its CRC was good.

    A time that no calendar has is no gateway's either, nor a ratio that no radio measures, nor a
    frame that no LoRa packet holds.
    """
    lora = frame.tx_info.modulation.lora
    times = (frame.rx_info.gw_time, frame.rx_info.time_since_gps_epoch)
    rate = data_rate_of(lora.spreading_factor, lora.bandwidth)
    return (
        len(frame.phy_payload) <= MAX_PHY_SIZE
        and frame.rx_info.ByteSize() <= _MAX_RX_INFO
        and all(0 <= at.seconds < _YEAR_9000 and 0 <= at.nanos < 1_000_000_000 for at in times)
        and -200 <= frame.rx_info.snr <= 200
        and lora.code_rate == gw.CR_4_5
        and rate is not None
        and any(
            channel.frequency == frame.tx_info.frequency
            and channel.min_dr <= rate.index <= channel.max_dr
            for channel in network.channels
        )
        and frame.rx_info.crc_status != gw.BAD_CRC
    )
