"""What a device with adaptive data rate does when the network keeps silent (L2 1.0.4, 4.3.1.1)."""

from __future__ import annotations

from typing import Final

from simulators.mac.settings import DEFAULTS, Settings

ACK_LIMIT: Final = 64
"""RP002-1.0.4: uplinks without a downlink after which the device asks for one …"""
ACK_DELAY: Final = 32
"""… and how many more it waits before each step towards being heard."""


def asks(silence: int) -> bool:
    """Whether the uplink after `silence` unanswered ones sets ADRACKReq."""
    return silence >= ACK_LIMIT


def back_off(settings: Settings, silence: int) -> None:
    """Take the step that is due: full power, then slower, then all default channels, once each."""
    if silence < ACK_LIMIT + ACK_DELAY or (silence - ACK_LIMIT) % ACK_DELAY:
        return
    if settings.tx_power:
        settings.tx_power = 0
    elif settings.data_rate > settings.slowest:
        settings.data_rate -= 1
    else:
        settings.nb_trans = 1
        settings.ch_mask |= DEFAULTS
    settings.mend()
