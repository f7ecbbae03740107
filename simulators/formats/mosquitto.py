"""What `mosquitto_sub` prints: `-F '%I %t %p'` (or `%U`, or `%x` for the payload), and `-F %j`.

mosquitto_sub(1), "Output format". `%I` and `tst` of `%j` are local times with their zone, `tst`
with a `Z` before it that means nothing. `%p` of a payload that is no text is lost in its line, and
`%j` leaves it empty: both are skipped. Hexadecimal payloads are told by their topics and digits.
A last line without its end was cut off: it is taken only where its payload is whole JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from khaen import topics
from khaen.capture import Record, Road
from khaen.errors import WireError
from simulators.recording import Format, Source, first_lines, local

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\S+|\d{9,11}\.\d+) (\S+)(?: (.*))?")
_HEX = re.compile(r"(?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+")
_THINGS = "v3/"
"""Topics of The Things Stack, which has a format of its own."""
_TST = re.compile(r"Z?([+-]\d\d):?(\d\d)$")


def _fits(head: bytes) -> bool:
    lines = first_lines(head, 1)
    return bool(lines) and (_json_message(lines[0]) is not None or _text_time(lines[0]))


def _text_time(line: str) -> bool:
    match = _LINE.fullmatch(line)
    if match is None or parse_time(match[1], UTC) is None:
        return False
    return "/" in match[2] and not match[2].startswith(_THINGS)


def _read(source: Source) -> Iterator[Record]:
    for line in source.lines():
        document = _json_message(line)
        if document is not None:
            record = _from_json(document, source)
        elif source.is_cut and not _is_whole(line):
            source.skipped["cut_short"] += 1
            continue
        elif match := _LINE.fullmatch(line):
            record = _from_text(match[1], match[2], match[3] or "", source)
        else:
            source.skipped["no_message"] += 1
            continue
        if record is not None:
            yield record


def _is_whole(line: str) -> bool:
    """Whether a line without an end is known to be whole: its payload is an object of JSON."""
    match = _LINE.fullmatch(line)
    try:
        return match is not None and isinstance(json.loads(match[3] or ""), dict)
    except (ValueError, RecursionError):
        return False


def _json_message(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and {"tst", "topic"} <= set(document) else None


def _from_json(document: dict[str, Any], source: Source) -> Record | None:
    at = parse_time(document["tst"], source.zone)
    topic, payload, qos = document["topic"], document.get("payload", ""), document.get("qos", 0)
    if at is None:
        source.skipped["bad_time"] += 1
        return None
    if not isinstance(topic, str):
        source.skipped["no_message"] += 1
        return None
    if isinstance(payload, str):
        content = payload.encode("utf-8", "surrogatepass")
        size = document.get("payloadlen")
        if isinstance(size, int) and size != len(content):
            source.skipped["payload_not_printed"] += 1
            return None
        content = _unhex(topic, payload) or content
    else:  # -F %J
        content = json.dumps(payload, separators=(",", ":")).encode()
    return Record(
        at=at,
        road=Road.MQTT,
        topic=topic,
        payload=content,
        qos=qos if qos in (0, 1, 2) else 0,
        retain=bool(document.get("retain")),
    )


def _from_text(time: str, topic: str, text: str, source: Source) -> Record | None:
    at = parse_time(time, source.zone)
    if at is None:
        source.skipped["bad_time"] += 1
        return None
    if "\ufffd" in text:
        source.skipped["payload_not_printed"] += 1
        return None
    return Record(at=at, road=Road.MQTT, topic=topic, payload=_unhex(topic, text) or text.encode())


def _unhex(topic: str, text: str) -> bytes | None:
    """A payload in hexadecimal digits: of topics of ours only, whose payloads are never so."""
    if not _HEX.fullmatch(text):
        return None
    try:
        topics.parse(topic)
    except WireError:
        return None
    return bytes.fromhex(text)


def parse_time(text: object, zone: tzinfo) -> datetime | None:
    """A time as mosquitto_sub writes it; one without a zone is of `zone`."""
    if not isinstance(text, str):
        return None
    try:
        if "T" not in text:
            return datetime.fromtimestamp(float(text), UTC)
        return local(datetime.fromisoformat(_TST.sub(r"\1:\2", text)), zone)
    except (ValueError, OverflowError, OSError):
        return None


FORMAT = Format(name="mosquitto", fits=_fits, read=_read)
