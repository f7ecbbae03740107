"""Messages of ChirpStack as bytes, to the letter of its own JSON.

ChirpStack writes protobuf's JSON by pbjson: fields in the order of their declaration, times with
`+00:00` and 0, 3, 6 or 9 digits, zeros written in `integration.*` and left out in `gw.*`.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_EMITS = "integration."
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def as_json(message: Message) -> bytes:
    """The message as ChirpStack writes it with `json=true`."""
    return json.dumps(_document(message), separators=(",", ":"), ensure_ascii=False).encode()


def as_protobuf(message: Message) -> bytes:
    """The message as ChirpStack writes it with `json=false`."""
    return message.SerializeToString()


def _document(message: Any) -> Any:
    descriptor = message.DESCRIPTOR
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            whole = datetime.fromtimestamp(message.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            return f"{whole}{_fraction(message.nanos)}+00:00"
        case "google.protobuf.Duration":
            return f"{message.seconds}{_fraction(message.nanos)}s"
        case "google.protobuf.Struct":
            return json_format.MessageToDict(message)
    emits = descriptor.full_name.startswith(_EMITS)
    found = {}
    for field in descriptor.fields:
        value = getattr(message, field.name)
        if message.HasField(field.name) if field.has_presence else emits or value:
            found[field.json_name] = _field(field, value)
    return found


def _field(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_one(field, item) for item in value]
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _document(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.cpp_type in _LONG:
        return str(value)
    if isinstance(value, float):
        return _real(value, single=field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT)
    return value


def _real(value: float, *, single: bool) -> float | str:
    if not math.isfinite(value):
        return _NOT_FINITE[str(value)]
    return _shortest(value) if single else value


def _shortest(value: float) -> float:
    """The shortest decimal that stands for the 32-bit float; nine digits tell all apart."""
    for digits in range(1, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return value


def _fraction(nanos: int) -> str:
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}" if digits else ""
