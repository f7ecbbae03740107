"""The region as its network is configured: channels, limits, what it asks of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from khaen.lorawan.region import DEFAULT_CHANNELS, RX2_DATA_RATE, THAI_CHANNELS, Channel

_CF_LIST_CHANNELS: Final = 5
_CF_LIST_OF_FREQUENCIES: Final = b"\x00"
_STEP: Final = 100
"""Hz: what LoRaWAN counts frequencies in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What ChirpStack's `[network]` and `[regions.network]` say, by default as it ships them.

    `region` is its `region_config_id` and the first word of gateways' topics, `common_name` what
    device profiles call it; `margin` in dB is what ADR leaves unused. The dwell times are what
    TxParamSetupReq tells devices.
    """

    net_id: str = "000000"
    region: str = "as923"
    common_name: str = "AS923"
    channels: tuple[Channel, ...] = THAI_CHANNELS
    mac_commands: bool = True
    adr: bool = True
    margin: float = 10.0
    max_dr: int = 5
    uplink_dwell: bool = False
    downlink_dwell: bool = False

    @property
    def dl_settings(self) -> int:
        """The join accept's byte: RX1DROffset 0, and RX2's data rate."""
        return RX2_DATA_RATE

    @property
    def cf_list(self) -> bytes:
        """The join accept's channels: five at most, of those for all of DR0 to DR5."""
        plain = Channel(frequency=0)
        found = [
            channel.frequency // _STEP
            for channel in self.channels[len(DEFAULT_CHANNELS) :]
            if (channel.min_dr, channel.max_dr) == (plain.min_dr, plain.max_dr)
        ][:_CF_LIST_CHANNELS]
        if not found:
            return b""
        found += [0] * (_CF_LIST_CHANNELS - len(found))
        listed = b"".join(frequency.to_bytes(3, "little") for frequency in found)
        return listed + _CF_LIST_OF_FREQUENCIES

    @property
    def extra_channels(self) -> Mapping[int, Channel]:
        """By index, what a device is to know beyond the two that it was made with.

        Channels of other rates than DR0 to DR5 are the network's alone (RP002-1.0.4, AS923).
        """
        return {
            index: channel
            for index, channel in enumerate(self.channels)
            if index >= len(DEFAULT_CHANNELS) and channel.min_dr <= self.max_dr
        }

    def granted_channels(self) -> Mapping[int, Channel]:
        """By index, the channels that `cf_list` names."""
        listed = {
            int.from_bytes(self.cf_list[at : at + 3], "little") * _STEP
            for at in range(0, len(self.cf_list) - 1, 3)
        }
        extra = self.extra_channels.items()
        return {index: channel for index, channel in extra if channel.frequency in listed}
