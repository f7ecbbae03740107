"""The reference wristband's payload v1, as docs/wristband-payload.md has it byte by byte."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

TELEMETRY_PORT: Final = 10
SOS_PORT: Final = 11
FALL_PORT: Final = 12
DOWNLINK_PORT: Final = 13
LONGEST_AGE: Final = 255
"""Seconds; an older press or impact says this."""

_VERSION: Final = 1
_WORN, _CHARGING, _MOVING = 0x8, 0x4, 0x2
_CANCELLED, _END = 0x2, 0x1
_UNKNOWN_BATTERY: Final = 0xFF
_UNKNOWN_VITAL: Final = 0
_UNKNOWN_SHARE: Final = 0xF
_UNKNOWN_TEMPERATURE: Final = -0x8000
_TELEMETRY = struct.Struct(">BBBBBhHBB")
_EVENT = struct.Struct(">BBBB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What a band measures; None where it does not know.

    `battery`, `spo2`, `signal_quality` and `activity` in %, the last two in steps of ten;
    `heart_rate` per minute, `skin_temperature` in °C, `still_time` in minutes, 255 for more;
    `steps` counts since the band was made and comes round at 65536; `answer` is the number of the
    last downlink that was taken, 1 to 15, or 0.
    """

    worn: bool
    charging: bool
    moving: bool
    battery: int | None
    heart_rate: int | None
    spo2: int | None
    signal_quality: int | None
    activity: int | None
    skin_temperature: float | None
    steps: int
    still_time: int
    answer: int = 0


class Stage(enum.IntEnum):
    """How far a fall has come."""

    IMPACT = 0
    STILL = 1
    MOVING = 2
    CANCELLED = 3


class Order(enum.IntEnum):
    """What a downlink says."""

    ACCEPTED = 1
    ON_THE_WAY = 2
    INTERVAL = 3
    CANCEL_WINDOW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """A downlink that a band understands; its number is 1 to 15."""

    number: int
    order: Order


def parse_downlink(payload: bytes) -> Downlink | None:
    """Return what port 13 says; None for what a band of version 1 does not understand."""
    if not 2 <= len(payload) <= 4 or payload[0] >> 4 != _VERSION or not payload[0] & 0xF:
        return None
    try:
        order = Order(payload[1])
    except ValueError:
        return None
    return Downlink(number=payload[0] & 0xF, order=order)


def encode_telemetry(values: Telemetry) -> bytes:
    """Return the 11 bytes of port 10. Raises ValueError for what does not fit."""
    flags = values.worn * _WORN | values.charging * _CHARGING | values.moving * _MOVING
    shares = _share(values.signal_quality) << 4 | _share(values.activity)
    if not 0 <= values.answer <= 0xF:
        raise ValueError(f"answer {values.answer} does not fit")
    try:
        return _TELEMETRY.pack(
            _VERSION << 4 | flags,
            _UNKNOWN_BATTERY if values.battery is None else values.battery,
            values.heart_rate or _UNKNOWN_VITAL,
            values.spo2 or _UNKNOWN_VITAL,
            shares,
            _hundredths(values.skin_temperature),
            values.steps & 0xFFFF,
            min(values.still_time, 0xFF),
            values.answer << 4,
        )
    except struct.error as error:
        raise ValueError(str(error)) from error


def encode_sos(
    *,
    press: int,
    battery: int | None,
    age: int,
    worn: bool = True,
    cancelled: bool = False,
    end: bool = False,
) -> bytes:
    """Return the 4 bytes of port 11; `press` counts modulo 256, `age` is seconds since it.

    Raises ValueError for what does not fit.
    """
    return _event(worn * _WORN | cancelled * _CANCELLED | end * _END, press, battery, age)


def encode_fall(
    stage: Stage, *, fall: int, battery: int | None, age: int, worn: bool = True
) -> bytes:
    """Return the 4 bytes of port 12; `fall` counts modulo 256, `age` is seconds since the impact.

    Raises ValueError for what does not fit.
    """
    return _event(worn * _WORN | stage, fall, battery, age)


def _event(flags: int, count: int, battery: int | None, age: int) -> bytes:
    if age < 0:
        raise ValueError("an age is not negative")
    level = _UNKNOWN_BATTERY if battery is None else battery
    try:
        return _EVENT.pack(_VERSION << 4 | flags, count & 0xFF, level, min(age, LONGEST_AGE))
    except struct.error as error:
        raise ValueError(str(error)) from error


def _share(percent: int | None) -> int:
    if percent is None:
        return _UNKNOWN_SHARE
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} % does not fit")
    return round(percent / 10)


def _hundredths(celsius: float | None) -> int:
    return _UNKNOWN_TEMPERATURE if celsius is None else round(celsius * 100)
