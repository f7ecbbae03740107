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
    """The wearer says that it was none."""
    FALL_END = "fall_end"
    """The device sees the person up again."""
    MAN_DOWN = "man_down"
    """Long without any movement, or lying, as the device judges it."""
    MAN_DOWN_END = "man_down_end"
    BUTTON = "button"
    """A press that calls nobody; `detail.code` is the device's own: 1 short, 2 long, 3 double."""
    REMOVED = "removed"
    """Taken off the body."""
    BATTERY_LOW = "battery_low"
    GEOFENCE_EXIT = "geofence_exit"
    GEOFENCE_ENTER = "geofence_enter"
    TAMPER = "tamper"
    ANSWER = "answer"
    """The device heard a downlink; `detail.downlink` is that downlink's own number."""
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one quantity (an id of `khaen.quantity`), in that quantity's unit.

    `measured_at` is the device's own time where it sends one, else None: the uplink's
    `received_at` stands for it. `channel` tells several sensors of one quantity apart. `key` is
    the name the value had in a vendor's codec, empty where bytes were read by ourselves.
    """

    quantity: str
    value: float
    quality: Quality = Quality.GOOD
    channel: str = ""
    measured_at: datetime | None = None
    key: str = ""


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
    """The outcome of a decoder: all that it could read.

    `raw` is what a vendor's codec said and no entry of its mapping names: where it stood, and the
    value as JSON.
    """

    readings: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()
    warnings: tuple[Warn, ...] = ()
    raw: tuple[tuple[str, str], ...] = ()
