"""What the agent keeps: an arrival, and the same with its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from khaen.clock import Rung
from khaen.uplink import Kind, Number, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """When something was heard, by every clock there was.

    `boot_us` is CLOCK_BOOTTIME in microseconds within the boot `boot_id`. `at` and `clock` are
    None while the time of day is not known to be true; the boot dates it afterwards.
    """

    boot_id: str
    boot_us: int
    at: datetime | None
    clock: Rung | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Something to be numbered, kept and sent; `frame` is a `gw.UplinkFrame` without Khaen's facts.

    `heard` is the monotonic clock in seconds, from which the age is measured; `live_s` the age up
    to which it is live.
    """

    kind: Kind
    frame: bytes
    priority: bool
    origin: Origin
    instant: Instant
    heard: float
    live_s: float
    device: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A numbered arrival. `position` orders all records by when they were heard.

    `after` and `before` are the nearest true times around it, for a record that has none itself.
    """

    position: int
    number: Number
    kind: Kind
    frame: bytes
    priority: bool
    origin: Origin
    instant: Instant
    device: str | None = None
    topic: str | None = None
    after: datetime | None = None
    before: datetime | None = None
