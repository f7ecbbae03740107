"""The reference wristband, payload v1: docs/wristband-payload.md has every byte.

Port 10 is telemetry (11 bytes), port 11 a call (4 bytes), port 12 a fall (4 bytes). A call and a
fall are told by their port alone, so that no damaged or newer frame can silence one.
"""

from __future__ import annotations

from decoders.family import Decoder
from khaen.reading import Decoded, Event, EventKind, Reading, Warn

VERSION = 1
TELEMETRY_PORT = 10
SOS_PORT = 11
FALL_PORT = 12

TELEMETRY_LENGTH = 11
EVENT_LENGTH = 4

WORN, CHARGING, MOVING = 0x8, 0x4, 0x2
SOS_CANCELLED, SOS_END = 0x2, 0x1
STAGE = 0x7
IMPACT, STILL, MOVED, CANCELLED = range(4)

UNKNOWN_BYTE = 0xFF
UNKNOWN_NIBBLE = 0xF
UNKNOWN_TEMPERATURE = -0x8000


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the three gives a warning."""
    if f_port == SOS_PORT:
        return _decode_sos(payload)
    if f_port == FALL_PORT:
        return _decode_fall(payload)
    if f_port == TELEMETRY_PORT:
        return _decode_telemetry(payload)
    return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))


def _warn(payload: bytes, length: int) -> tuple[Warn, ...]:
    warnings = []
    if payload and payload[0] >> 4 != VERSION:
        warnings.append(Warn(text=f"version {payload[0] >> 4}, read as {VERSION}", offset=0))
    if len(payload) < length:
        warnings.append(Warn(text=f"{length} bytes are due", offset=len(payload)))
    elif len(payload) > length:
        warnings.append(Warn(text="more bytes than are due", offset=length))
    return tuple(warnings)


def _byte(payload: bytes, at: int) -> int | None:
    return payload[at] if at < len(payload) else None


def _known(payload: bytes) -> bool:
    """Whether the frame is of this version: of another one only its count is taken."""
    return bool(payload) and payload[0] >> 4 == VERSION


def _beside(payload: bytes) -> tuple[Reading, ...]:
    """What a call and a fall carry beside the event: whether it is worn, and the battery."""
    readings = []
    if _known(payload):
        readings.append(Reading(quantity="worn", value=float(bool(payload[0] & WORN))))
    battery = _byte(payload, 2) if _known(payload) else None
    if battery is not None and battery != UNKNOWN_BYTE:
        readings.append(Reading(quantity="battery_level", value=float(battery)))
    return tuple(readings)


def _age(payload: bytes) -> dict[str, float]:
    """Seconds since the press or the impact, 255 for more."""
    age = _byte(payload, 3) if _known(payload) else None
    return {} if age is None else {"age_s": float(age)}


def _decode_sos(payload: bytes) -> Decoded:
    flags = payload[0] if _known(payload) else 0
    detail = _age(payload)
    if flags & SOS_CANCELLED:
        detail["cancelled"] = 1.0
    ended = flags & (SOS_CANCELLED | SOS_END)
    event = Event(
        kind=EventKind.SOS_END if ended else EventKind.SOS,
        press=_byte(payload, 1),
        detail=detail,
    )
    return Decoded(
        readings=_beside(payload),
        events=(event,),
        warnings=_warn(payload, EVENT_LENGTH),
    )


def _decode_fall(payload: bytes) -> Decoded:
    stage = payload[0] & STAGE if _known(payload) else IMPACT
    detail = _age(payload)
    if stage in (STILL, MOVED):
        detail["still"] = float(stage == STILL)
    event = Event(
        kind=EventKind.FALL_CANCELLED if stage == CANCELLED else EventKind.FALL,
        press=_byte(payload, 1),
        detail=detail,
    )
    warnings = _warn(payload, EVENT_LENGTH)
    if stage > CANCELLED:
        warnings += (Warn(text=f"stage {stage}, taken as an impact", offset=0),)
    return Decoded(readings=_beside(payload), events=(event,), warnings=warnings)


def _decode_telemetry(payload: bytes) -> Decoded:
    if payload and payload[0] >> 4 != VERSION:
        # Telemetry of another version has another layout; numbers read wrongly are worse than none.
        return Decoded(warnings=(Warn(text=f"unknown version {payload[0] >> 4}", offset=0),))
    return Decoded(
        readings=tuple(
            Reading(quantity=quantity, value=value)
            for quantity, value in _measured(payload)
            if value is not None
        ),
        warnings=_warn(payload, TELEMETRY_LENGTH),
    )


def _measured(payload: bytes) -> list[tuple[str, float | None]]:
    flags = _byte(payload, 0)
    shares = _byte(payload, 4)
    return [
        ("worn", None if flags is None else float(bool(flags & WORN))),
        ("charging", None if flags is None else float(bool(flags & CHARGING))),
        ("motion", None if flags is None else float(bool(flags & MOVING))),
        ("battery_level", _unless(_byte(payload, 1), UNKNOWN_BYTE)),
        ("heart_rate", _unless(_byte(payload, 2), 0)),
        ("spo2", _unless(_byte(payload, 3), 0)),
        ("signal_quality", None if shares is None else _tenths(shares >> 4)),
        ("activity", None if shares is None else _tenths(shares & 0xF)),
        ("skin_temperature", _temperature(payload[5:7])),
        ("steps", _counter(payload[7:9])),
        ("still_time", _unless(_byte(payload, 9), None)),
    ]


def _unless(raw: int | None, unknown: int | None) -> float | None:
    return None if raw is None or raw == unknown else float(raw)


def _tenths(nibble: int) -> float | None:
    return None if nibble == UNKNOWN_NIBBLE else nibble * 10.0


def _temperature(raw: bytes) -> float | None:
    value = int.from_bytes(raw, "big", signed=True)
    return None if len(raw) < 2 or value == UNKNOWN_TEMPERATURE else value / 100


def _counter(raw: bytes) -> float | None:
    return float(int.from_bytes(raw, "big")) if len(raw) == 2 else None


DECODER = Decoder(
    id="khaen_wristband",
    version=1,
    maker="Khaen",
    model="reference wristband, payload v1",
    sos_capable=True,
    fall_capable=True,
    priority_f_ports=frozenset({SOS_PORT, FALL_PORT}),
    expects_answer=True,
    quantities=frozenset(
        {
            "worn", "charging", "motion", "battery_level", "heart_rate", "spo2", "signal_quality",
            "activity", "skin_temperature", "steps", "still_time",
        }
    ),
    decode=decode,
)  # fmt: skip
