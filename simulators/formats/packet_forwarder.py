"""Logs of packet forwarders: lines with a JSON object of `rxpk`, whatever stands before it.

Semtech's writes `JSON up: {"rxpk":[…]}`, every 30 s `##### 2026-03-01 08:00:00 GMT #####`, and at
start `gateway MAC address is configured to …`. A datagram is dated by its own `time`, else by the
time before it in its line, else by the last line that has one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from khaen.capture import Record, Road
from khaen.clock import parse_time
from khaen.ids import GatewayEui, parse_gateway_eui
from simulators.recording import Format, Source, first_lines, local

_JSON = re.compile(r'\{\s*"(?:rxpk|stat)"\s*:')
_GATEWAY = re.compile(r"(?i)gateway (?:MAC address|EUI|ID)\b[^0-9a-f]*([0-9a-f]{16})\b")
_SAID = re.compile(r"(?i)gateway MAC address is configured to ([0-9a-f]{16})\b")
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d* ?(Z|GMT|UTC|[+-]\d\d:?\d\d)?"
)
_VERSION, _PUSH_DATA = 2, 0


def _fits(head: bytes) -> bool:
    return any(_JSON.search(line) for line in first_lines(head, 2000))


def _read(source: Source) -> Iterator[Record]:
    at: datetime | None = None
    gateway, token = source.gateway, 0
    for line in source.lines():
        found = _JSON.search(line)
        before = line[: found.start()] if found else line
        at = _stamp(before, source.zone) or at
        if found is None:
            if source.gateway is None and (said := _SAID.search(line) or _GATEWAY.search(line)):
                gateway = parse_gateway_eui(said[1])
            continue
        document = _document(line[found.start() :])
        entries = document.get("rxpk") if document else None
        if not isinstance(entries, list):
            source.skipped["statistics" if document else "not_json"] += 1
            continue
        own = _own_time(entries)
        if (own or at) is None or gateway is None:
            source.skipped["no_gateway" if gateway is None else "no_time"] += 1
            continue
        token = (token + 1) & 0xFFFF
        yield _record(own or at, gateway, token, entries)
    if source.skipped["no_gateway"]:
        source.told.append(
            f"{source.path}: no line names the gateway; say which it is: --as-gateway"
        )


def _record(at: datetime | None, gateway: GatewayEui, token: int, entries: list[Any]) -> Record:
    assert at is not None
    head = bytes((_VERSION, *token.to_bytes(2, "little"), _PUSH_DATA)) + bytes.fromhex(gateway)
    body = json.dumps({"rxpk": entries}, separators=(",", ":")).encode()
    return Record(at=at, road=Road.UDP_UP, payload=head + body, qos=0)


def _document(text: str) -> dict[str, Any] | None:
    try:
        document, _end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _own_time(entries: list[Any]) -> datetime | None:
    for entry in entries:
        text = entry.get("time") if isinstance(entry, dict) else None
        if isinstance(text, str):
            try:
                return parse_time(text)
            except ValueError:
                continue
    return None


def _stamp(text: str, zone: tzinfo) -> datetime | None:
    match = _STAMP.search(text)
    if match is None:
        return None
    day, second, fraction, said = match.groups()
    offset = "+00:00" if said in ("Z", "GMT", "UTC") else said or ""
    try:
        return local(datetime.fromisoformat(f"{day}T{second}{fraction or ''}{offset}"), zone)
    except (ValueError, OverflowError):
        return None


FORMAT = Format(name="packet_forwarder", fits=_fits, read=_read)
