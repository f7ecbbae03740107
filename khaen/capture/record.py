"""The one unit that is recorded, replayed and faulted."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class Road(enum.StrEnum):
    """By which way a record came."""

    MQTT = "mqtt"
    UDP_UP = "udp_up"
    """A datagram from a packet forwarder to its agent."""
    UDP_DOWN = "udp_down"
    """A datagram from an agent to its packet forwarder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message or datagram. `at` is when it was captured: aware, UTC, microseconds.

    `topic`, `qos` and `retain` belong to MQTT; a datagram has the topic "".
    """

    at: datetime
    road: Road
    payload: bytes
    topic: str = ""
    qos: int = 1
    retain: bool = False
