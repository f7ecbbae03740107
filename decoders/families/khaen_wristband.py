"""The reference wristband, payload v1: docs/wristband-payload.md has every byte.

Port 10 is telemetry (11 bytes), port 11 a call (4 bytes), port 12 a fall (4 bytes). A call and a
fall are told by their port alone, so that no damaged or newer frame can silence one. What stands
where: decoders/wristband.py.
"""

from __future__ import annotations

from decoders import layout, wristband
from decoders.family import Decoder
from decoders.wristband import FALL_PORT, SOS_PORT, TELEMETRY_PORT, Stage
from khaen.reading import Decoded, Event, EventKind, Reading, Warn


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
    warnings = layout.check(payload, length, length)
    if payload and not wristband.is_known(payload):
        text = f"version {payload[0] >> 4}, read as {wristband.VERSION}"
        return (Warn(text=text, offset=0), *warnings)
    return warnings


def _known(payload: bytes) -> bytes:
    """The frame where it is of this version; of another one only its count is taken."""
    return payload if wristband.is_known(payload) else b""


def _beside(payload: bytes) -> tuple[Reading, ...]:
    return tuple(layout.read(wristband.BESIDE, _known(payload)))


def _age(payload: bytes) -> dict[str, float]:
    """Seconds since the press or the impact, 255 for more."""
    age = layout.number(_known(payload), wristband.AGE_AT, "u8")
    return {} if age is None else {"age_s": float(age)}


def _decode_sos(payload: bytes) -> Decoded:
    flags = (layout.number(_known(payload), 0, "u8")) or 0
    detail = _age(payload)
    if flags & wristband.SOS_CANCELLED:
        detail["cancelled"] = 1.0
    ended = flags & (wristband.SOS_CANCELLED | wristband.SOS_END)
    event = Event(
        kind=EventKind.SOS_END if ended else EventKind.SOS,
        press=layout.number(payload, wristband.COUNT_AT, "u8"),
        detail=detail,
    )
    return Decoded(
        readings=_beside(payload),
        events=(event,),
        warnings=_warn(payload, wristband.EVENT_LENGTH),
    )


def _decode_fall(payload: bytes) -> Decoded:
    known = _known(payload)
    stage = known[0] & wristband.STAGE if known else Stage.IMPACT
    detail = _age(payload)
    if stage in (Stage.STILL, Stage.MOVING):
        detail["still"] = float(stage == Stage.STILL)
    event = Event(
        kind=EventKind.FALL_CANCELLED if stage == Stage.CANCELLED else EventKind.FALL,
        press=layout.number(payload, wristband.COUNT_AT, "u8"),
        detail=detail,
    )
    warnings = _warn(payload, wristband.EVENT_LENGTH)
    if stage > Stage.CANCELLED:
        warnings += (Warn(text=f"stage {stage}, taken as an impact", offset=0),)
    return Decoded(readings=_beside(payload), events=(event,), warnings=warnings)


def _decode_telemetry(payload: bytes) -> Decoded:
    if payload and not wristband.is_known(payload):
        # Telemetry of another version has another layout; numbers read wrongly are worse than none.
        return Decoded(warnings=(Warn(text=f"unknown version {payload[0] >> 4}", offset=0),))
    return Decoded(
        readings=tuple(layout.read(wristband.TELEMETRY, payload)),
        events=_answer(payload),
        warnings=layout.check(payload, wristband.TELEMETRY_LENGTH, wristband.TELEMETRY_LENGTH),
    )


def _answer(payload: bytes) -> tuple[Event, ...]:
    """Which downlink was taken last; said in each telemetry since."""
    number = (layout.number(payload, wristband.ANSWER_AT, "u8") or 0) >> 4
    if not number:
        return ()
    return (Event(kind=EventKind.ANSWER, detail={"downlink": float(number)}),)


DECODER = Decoder(
    id="khaen_wristband",
    version=2,
    maker="Khaen",
    model="reference wristband, payload v1",
    sos_capable=True,
    fall_capable=True,
    priority_f_ports=frozenset({SOS_PORT, FALL_PORT}),
    expects_answer=True,
    quantities=layout.quantities(wristband.TELEMETRY),
    decode=decode,
    encode=wristband.encode_downlink,
)
