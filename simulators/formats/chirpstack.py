"""Events of ChirpStack v4 in JSON: bare, behind their topic, or out of its API.

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
from simulators.documents import documents
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
_DEVICE = b"deviceInfo"


def _fits(head: bytes) -> bool:
    if _DEVICE not in head:
        return False
    return any(_opens(line) for line in first_lines(head, 3))


def _opens(line: str) -> bool:
    """Whether an object or a list of them begins, bare or behind its topic."""
    topic, space, rest = line.partition(" ")
    text = rest if space and "/event/" in topic else line
    return text[:1] in ("{", "[") and '"tst"' not in text


def _read(source: Source) -> Iterator[Record]:
    for before, document in documents(source.file, source.skipped):
        topic = before if "/event/" in before else ""
        if (record := _record(document, topic, source)) is not None:
            yield record


def _record(document: Any, topic: str, source: Source) -> Record | None:
    time, kind = document.get("time"), None
    if isinstance(body := document.get("body"), str):
        kind = document.get("description")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
    device = document.get("deviceInfo") if isinstance(document, dict) else None
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
