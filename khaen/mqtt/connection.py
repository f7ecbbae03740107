"""One connection to a broker, as the network thread sees it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from khaen.mqtt.ahead import AheadClient

NO_LIMIT: Final = 268_435_460
"""Bytes of the longest packet that MQTT has (MQTT 5.0, section 2.1.4)."""


@dataclass(slots=True)
class Connection:
    """Made anew for each; `number` counts them."""

    number: int
    client: AheadClient
    room: int
    """Messages that may be unanswered: the window, or what the broker allows (Receive Maximum)."""
    largest: int = NO_LIMIT
    """Bytes of the longest packet that the broker takes (Maximum Packet Size)."""
    answered: threading.Event = field(default_factory=threading.Event)
    """CONNACK came, or the connection is over."""
    over: threading.Event = field(default_factory=threading.Event)
    decided: threading.Event = field(default_factory=threading.Event)
    """Every subscription is granted, or the connection is over."""
    speaks: bool | None = None
    """Whether the broker takes this version: None when it could not be reached."""
    granted_at: float | None = None
    """By the monotonic clock."""
    reason: str = ""
    """Why it is over; the first reason is the true one."""

    def end(self, reason: str) -> None:
        """It is over."""
        self.reason = self.reason or reason
        self.over.set()
        self.answered.set()
        self.decided.set()

    @property
    def usable(self) -> bool:
        """Whether something may be said."""
        return self.granted_at is not None and not self.over.is_set()
