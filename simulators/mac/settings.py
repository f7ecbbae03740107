"""How a device uses the air: what it was made with, and what the network made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from khaen.lorawan.region import (
    DEFAULT_CHANNELS,
    MAX_EIRP,
    RX1_DELAY,
    RX2_DATA_RATE,
    RX2_FREQUENCY,
    THAI_BAND,
    Channel,
)

FASTEST: Final = 6
"""Data rate: FSK is not simulated."""
MOST_CHANNELS: Final = 16
DEFAULTS: Final = (1 << len(DEFAULT_CHANNELS)) - 1
"""The mask of the channels that every device has."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """A device's radio. `channels` by index, None where none is; `ch_mask` has bit 0 for the first.

    `duty_cycle` is DutyCycleReq's exponent; `downlinks` has RX1's frequency where it is another
    than the uplink's.
    """

    data_rate: int
    channels: tuple[Channel | None, ...] = DEFAULT_CHANNELS
    ch_mask: int = DEFAULTS
    tx_power: int = 0
    nb_trans: int = 1
    rx1_dr_offset: int = 0
    rx2_data_rate: int = RX2_DATA_RATE
    rx2_frequency: int = RX2_FREQUENCY
    rx_delay: int = RX1_DELAY
    uplink_dwell: bool = True
    downlink_dwell: bool = True
    max_eirp: int = MAX_EIRP
    duty_cycle: int = 0
    downlinks: dict[int, int] = field(default_factory=dict)

    @classmethod
    def with_channels(cls, data_rate: int, channels: tuple[Channel, ...]) -> Settings:
        """Settings of a device that was made with these channels, all of them on."""
        return cls(data_rate=data_rate, channels=channels, ch_mask=(1 << len(channels)) - 1)

    @property
    def slowest(self) -> int:
        """The slowest data rate that says anything: 2 where dwell time binds."""
        return 2 if self.uplink_dwell else 0

    @property
    def defined(self) -> int:
        """The mask of all channels that there are."""
        return sum(1 << index for index, channel in enumerate(self.channels) if channel)

    def frequencies(self, data_rate: int, mask: int | None = None) -> tuple[int, ...]:
        """The channels that are on (or in `mask`) and take a data rate."""
        mask = self.ch_mask if mask is None else mask
        return tuple(
            channel.frequency
            for index, channel in enumerate(self.channels)
            if channel and mask >> index & 1 and channel.min_dr <= data_rate <= channel.max_dr
        )

    def allows(self, data_rate: int, mask: int) -> bool:
        """Whether a data rate can be used with the channels of a mask."""
        return self.slowest <= data_rate <= FASTEST and bool(self.frequencies(data_rate, mask))

    def put_channel(self, index: int, channel: Channel | None) -> None:
        """Define a channel and switch it on, or take it away."""
        channels = list(self.channels)
        channels += [None] * (index + 1 - len(channels))
        channels[index] = channel
        self.channels = tuple(channels)
        self.ch_mask = self.ch_mask | 1 << index if channel else self.ch_mask & ~(1 << index)
        self.mend()

    def mend(self) -> None:
        """Have a data rate that may be used, and a channel that takes it."""
        self.data_rate = min(max(self.data_rate, self.slowest), FASTEST)
        if not self.frequencies(self.data_rate):
            self.ch_mask |= DEFAULTS
            self.data_rate = min(self.data_rate, DEFAULT_CHANNELS[0].max_dr)


def in_band(frequency: int) -> bool:
    """Whether Thai law lets a frequency in Hz be used."""
    return THAI_BAND[0] <= frequency <= THAI_BAND[1]
