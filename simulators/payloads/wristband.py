"""The reference wristband's payload v1, written from the description that it is read by."""

from __future__ import annotations

from dataclasses import dataclass

from decoders import layout
from decoders.wristband import (
    AGE_AT,
    ANSWER_AT,
    BESIDE,
    COUNT_AT,
    EVENT_LENGTH,
    FALL_PORT,
    LONGEST,
    NUMBERS,
    SOS_CANCELLED,
    SOS_END,
    SOS_PORT,
    STEPS,
    TELEMETRY,
    TELEMETRY_LENGTH,
    TELEMETRY_PORT,
    Stage,
    head,
)

__all__ = [
    "FALL_PORT",
    "SOS_PORT",
    "TELEMETRY_PORT",
    "Stage",
    "Telemetry",
    "encode_fall",
    "encode_sos",
    "encode_telemetry",
]


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


def encode_telemetry(values: Telemetry) -> bytes:
    """Return the 11 bytes of port 10. Raises ValueError for what does not fit."""
    if values.answer and values.answer not in NUMBERS:
        raise ValueError(f"answer {values.answer} does not fit")
    written: dict[str, float | None] = {
        "worn": values.worn,
        "charging": values.charging,
        "motion": values.moving,
        "battery_level": values.battery,
        "heart_rate": values.heart_rate,
        "spo2": values.spo2,
        "signal_quality": values.signal_quality,
        "activity": values.activity,
        "skin_temperature": values.skin_temperature,
        "steps": values.steps & STEPS,
        "still_time": min(values.still_time, LONGEST),
    }
    payload = layout.write(TELEMETRY, written, TELEMETRY_LENGTH)
    payload[0] |= head(0)
    payload[ANSWER_AT] = values.answer << 4
    return bytes(payload)


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
    flags = cancelled * SOS_CANCELLED | end * SOS_END
    return _event(flags, press, battery, age, worn=worn)


def encode_fall(
    stage: Stage, *, fall: int, battery: int | None, age: int, worn: bool = True
) -> bytes:
    """Return the 4 bytes of port 12; `fall` counts modulo 256, `age` is seconds since the impact.

    Raises ValueError for what does not fit.
    """
    return _event(stage, fall, battery, age, worn=worn)


def _event(flags: int, count: int, battery: int | None, age: int, *, worn: bool) -> bytes:
    if age < 0:
        raise ValueError("an age is not negative")
    payload = layout.write(BESIDE, {"worn": worn, "battery_level": battery}, EVENT_LENGTH)
    payload[0] |= head(flags)
    payload[COUNT_AT] = count & 0xFF
    payload[AGE_AT] = min(age, LONGEST)
    return bytes(payload)
