"""What a running simulation shows, as data: who speaks and hears, what broke, what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """One device; `ago` seconds since a gateway last heard it, None when none ever did."""

    name: str
    family: str
    ago: float | None
    silent: bool
    gateways: int = 0
    rssi: int = 0
    snr: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLine:
    """One gateway: frames sent to its agent and acknowledged by it; of the ledger, where it can be
    read, frames committed and missing. `link` says how the way to the broker is.
    """

    short: str
    name: str
    sent: int
    acked: int
    committed: int | None = None
    missing: int | None = None
    link: str = ""

    @property
    def backlog(self) -> int | None:
        """Frames that the agent has and the ledger not yet: of a gateway that is cut off, too."""
        return None if self.committed is None else max(0, self.acked - self.committed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultLine:
    """A fault that is running, and in numbers what it did."""

    text: str
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An act, an alarm, or an answer to what was typed."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it at one moment. `rate` in uplinks a second, of the last seconds; `devices` with the
    silent ones first, at most as many as a screen has lines; `recent` with the newest last.
    """

    site: str
    now: datetime
    seconds: float
    rate: float
    frames: int
    unheard: int
    device_count: int
    silent_count: int
    alarms_open: int | None
    gateways: tuple[GatewayLine, ...]
    devices: tuple[DeviceLine, ...]
    faults: tuple[FaultLine, ...]
    recent: tuple[Happening, ...]
    behind: float = 0.0
    """Seconds by which the simulation is late."""
    raised: tuple[tuple[str, int], ...] = ()
    """How many alarms of each kind were raised."""
