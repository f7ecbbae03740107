"""Events of ChirpStack v4 in JSON, one to a line: bare, behind their topic, or out of its API.

Bare ones are bodies of the HTTP integration, those behind a topic come of `mosquitto_sub -v`, and
`{"time":…,"description":"up","body":"{…}"}` are what its API streams and its web page saves. A bare
event does not say which it is: that is told by the fields that only this kind has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from khaen.capture import Record, Road
from khaen.clock import parse_time
from khaen.ids import parse_dev_eui
from simulators.recording import Format, Source, first_lines

_KINDS = (
    ("up", "rxInfo"),
    ("up", "fCnt"),
    ("ack", "acknowledged"),
    ("txack", "downlinkId"),
    ("status", "margin"),
    ("status", "batteryLevel"),
    ("status", "externalPowerSource"),
    ("log", "code"),
    ("log", "description"),
    ("location", "location"),
    ("up", "data"),
    ("join", "devAddr"),
)
_DEVICE = "deviceInfo"


def _fits(head: bytes) -> bool:
    for line in first_lines(head, 3):
        _topic, text = _split(line)
        if _DEVICE in text and text[0] in "{[" and '"tst"' not in text:
            return True
    return False


def _read(source: Source) -> Iterator[Record]:
    for line in source.lines():
        topic, text = _split(line)
        try:
            document = json.loads(text.rstrip(","))
        except (ValueError, RecursionError):
            if text not in ("[", "]"):
                source.skipped["not_json"] += 1
            continue
        for entry in document if isinstance(document, list) else (document,):
            if (record := _record(entry, topic, source)) is not None:
                yield record


def _split(line: str) -> tuple[str, str]:
    """The topic before the event, if there is one."""
    first, space, rest = line.partition(" ")
    return (first, rest) if space and "/event/" in first else ("", line)


def _record(document: Any, topic: str, source: Source) -> Record | None:
    if not isinstance(document, dict):
        source.skipped["no_event"] += 1
        return None
    time, kind = document.get("time"), None
    if isinstance(body := document.get("body"), str):
        kind = document.get("description")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
    device = document.get(_DEVICE) if isinstance(document, dict) else None
    if not isinstance(device, dict):
        source.skipped["no_event"] += 1
        return None
    try:
        at = parse_time(str(document.get("time") or time))
        dev_eui = parse_dev_eui(device["devEui"])
    except (ValueError, TypeError, KeyError, AttributeError):
        source.skipped["no_time_or_device"] += 1
        return None
    if not topic:
        kind = kind if isinstance(kind, str) else _kind(document)
        topic = f"application/{_application(device)}/device/{dev_eui}/event/{kind}"
    payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    content = payload.encode("utf-8", "surrogatepass")
    return Record(at=at, road=Road.MQTT, topic=topic, payload=content)


def _application(device: dict[str, Any]) -> str:
    said = device.get("applicationId")
    return said if isinstance(said, str) and said and "/" not in said else "unknown"


def _kind(document: dict[str, Any]) -> str:
    return next((kind for kind, field in _KINDS if field in document), "up")


FORMAT = Format(name="chirpstack", fits=_fits, read=_read)
