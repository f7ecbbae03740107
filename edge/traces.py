"""What came last of a gateway, and when: it outlives a change of settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class Trace:
    """Of one gateway; None for what has not been. Floats are seconds of the monotonic clock."""

    frame: datetime | None = None
    """When the radio was heard, by the host's clock."""
    satellite: float | None = None
    """When a frame had a satellite receiver's time."""
    pulled: float | None = None
    """When its packet forwarder asked for downlinks …"""
    forwarder: str = ""
    """… and from which host."""
    connected: float | None = None
    """Since when the broker has it; None while it has not."""
    receipt: datetime | None = None
    """What the last receipt says of its own time …"""
    receipted: float | None = None
    """… and when it came."""
