"""What a decoder makes of a payload: readings, events and warnings."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


class Quality(enum.StrEnum):
    """Whether a value may be believed; a suspect one is kept and raises nothing by itself."""

    GOOD = "good"
    SUSPECT = "suspect"


class EventKind(enum.StrEnum):
    """Things that happen at a moment, as against values that are measured."""

    SOS = "sos"
    SOS_END = "sos_end"
    FALL = "fall"
    FALL_CANCELLED = "fall_cancelled"
    BUTTON = "button"
    TAMPER = "tamper"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one quantity (an id of `khaen.quantity`), in that quantity's unit.

    `measured_at` is the device's own time where it sends one, else None: the uplink's
    `received_at` stands for it. `channel` tells several sensors of one quantity apart.
    """

    quantity: str
    value: float
    quality: Quality = Quality.GOOD
    channel: str = ""
    measured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a device says happened; `press` is its running press count, if it has one."""

    kind: EventKind
    press: int | None = None
    detail: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    measured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn:
    """A part of the payload that could not be read, and where it starts."""

    text: str
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The outcome of a decoder: all that it could read."""

    readings: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()
    warnings: tuple[Warn, ...] = ()
