"""What a decoder made of an uplink, as the ledger keeps it: one JSON document.

`{"readings":[{"quantity","value"[,"quality"][,"channel"][,"measured_at"][,"key"]}],
"events":[{"kind"[,"press"][,"detail"][,"measured_at"]}],"warnings":[{"text"[,"offset"]}],
"raw":[[path,JSON]]}`; what is at its default is left out, times are microseconds since 1970, a
value that is no number is null.
"""

from __future__ import annotations

import json
import math
from typing import Any

from khaen.clock import from_micros, to_micros
from khaen.reading import Decoded, Event, EventKind, Quality, Reading, Warn

_EMPTY = Decoded()
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def render(decoded: Decoded) -> str:
    """The document."""
    if not decoded.events and not decoded.warnings and not decoded.raw:
        # Nearly every uplink, and so without a detour by dictionaries.
        return f'{{"readings":[{",".join(map(_render_reading, decoded.readings))}]}}'
    document: dict[str, Any] = {}
    if decoded.readings:
        document["readings"] = [_reading(reading) for reading in decoded.readings]
    if decoded.events:
        document["events"] = [_event(event) for event in decoded.events]
    if decoded.warnings:
        document["warnings"] = [_warning(warning) for warning in decoded.warnings]
    if decoded.raw:
        document["raw"] = decoded.raw
    return _encode(document)


def parse(text: str | None) -> Decoded:
    """What the document says; None says nothing."""
    if not text:
        return _EMPTY
    document = json.loads(text)
    return Decoded(
        readings=tuple(_parse_reading(each) for each in document.get("readings", ())),
        events=tuple(_parse_event(each) for each in document.get("events", ())),
        warnings=tuple(
            Warn(text=each["text"], offset=each.get("offset"))
            for each in document.get("warnings", ())
        ),
        raw=tuple((path, value) for path, value in document.get("raw", ())),
    )


def _render_reading(reading: Reading) -> str:
    value = reading.value
    if (
        not reading.channel
        and not reading.key
        and reading.measured_at is None
        and type(value) is float
        and math.isfinite(value)
    ):
        head = f'{{"quantity":"{reading.quantity}","value":{value!r}'
        if reading.quality is Quality.GOOD:
            return head + "}"
        return f'{head},"quality":"{reading.quality.value}"}}'
    return _encode(_reading(reading))


def _reading(reading: Reading) -> dict[str, Any]:
    value = reading.value
    found: dict[str, Any] = {
        "quantity": reading.quantity,
        "value": value if math.isfinite(value) else None,
    }
    if reading.quality is not Quality.GOOD:
        found["quality"] = reading.quality.value
    if reading.channel:
        found["channel"] = reading.channel
    if reading.measured_at is not None:
        found["measured_at"] = to_micros(reading.measured_at)
    if reading.key:
        found["key"] = reading.key
    return found


def _event(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": event.kind.value}
    if event.press is not None:
        found["press"] = event.press
    if event.detail:
        found["detail"] = {k: v if math.isfinite(v) else None for k, v in event.detail.items()}
    if event.measured_at is not None:
        found["measured_at"] = to_micros(event.measured_at)
    return found


def _warning(warning: Warn) -> dict[str, Any]:
    if warning.offset is None:
        return {"text": warning.text}
    return {"text": warning.text, "offset": warning.offset}


def _parse_reading(document: dict[str, Any]) -> Reading:
    measured = document.get("measured_at")
    value = document["value"]
    return Reading(
        quantity=document["quantity"],
        value=math.nan if value is None else value,
        quality=Quality(document.get("quality", Quality.GOOD.value)),
        channel=document.get("channel", ""),
        measured_at=None if measured is None else from_micros(measured),
        key=document.get("key", ""),
    )


def _parse_event(document: dict[str, Any]) -> Event:
    measured = document.get("measured_at")
    detail = document.get("detail", {})
    return Event(
        kind=EventKind(document["kind"]),
        press=document.get("press"),
        detail={k: math.nan if v is None else v for k, v in detail.items()},
        measured_at=None if measured is None else from_micros(measured),
    )
