"""When, where and how fast a class A device listens (L2 1.0.4, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from khaen.lorawan.region import (
    JOIN_ACCEPT_DELAY1,
    JOIN_ACCEPT_DELAY2,
    RX2_DATA_RATE,
    RX2_FREQUENCY,
    rx1_data_rate,
)
from simulators.mac.settings import Settings

RX_ERROR: Final = 0.010
"""Seconds that a downlink may come early or late (LoRaMac-node, SystemMaxRxError)."""
LISTENING: Final = 0.1
"""Seconds after which a window without a preamble is closed: 8 symbols of SF10, and some."""


@dataclass(frozen=True, slots=True)
class Window:
    """A moment in seconds at which a downlink may begin, in Hz and by data rate."""

    opens: float
    frequency: int
    data_rate: int

    def takes(self, at: float, frequency: int, data_rate: int) -> bool:
        """Whether a frame that begins at `at` is heard here."""
        return (
            frequency == self.frequency
            and data_rate == self.data_rate
            and abs(at - self.opens) <= RX_ERROR
        )


def windows_after(
    ends: float, frequency: int, data_rate: int, settings: Settings
) -> tuple[Window, Window]:
    """RX1 and RX2 of an uplink that ended."""
    first = rx1_data_rate(data_rate, offset=settings.rx1_dr_offset, dwell=settings.downlink_dwell)
    rx1 = ends + settings.rx_delay
    return (
        Window(rx1, settings.downlinks.get(frequency, frequency), first),
        Window(rx1 + 1, settings.rx2_frequency, settings.rx2_data_rate),
    )


def windows_after_join(ends: float, frequency: int, data_rate: int) -> tuple[Window, Window]:
    """RX1 and RX2 of a join request that ended, by the region's defaults."""
    return (
        Window(ends + JOIN_ACCEPT_DELAY1, frequency, rx1_data_rate(data_rate, dwell=True)),
        Window(ends + JOIN_ACCEPT_DELAY2, RX2_FREQUENCY, RX2_DATA_RATE),
    )
