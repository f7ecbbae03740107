"""A protobuf message in either encoding; in JSON, keys that protobuf does not know are kept."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from google.protobuf import json_format

from simulators.forms.frame import is_json

_CAPITAL = re.compile(r"(?<!^)([A-Z])")


class Message:
    """`message` is filled from the payload, may be changed, and gives the payload again.

    Raises ValueError, RecursionError or protobuf's errors for what is none.
    """

    def __init__(self, empty: Any, payload: bytes, *, free: str = "") -> None:
        self.message = empty
        self._document: Any = None
        if not is_json(payload):
            empty.ParseFromString(payload)
            return
        self._document = json.loads(payload)
        known = {key: value for key, value in self._document.items() if key != free}
        json_format.ParseDict(known, empty, ignore_unknown_fields=True)
        self._before = json_format.MessageToDict(empty)

    def drop(self, field: str, indexes: set[int]) -> None:
        """Drop entries of a repeated field, by its name in protobuf."""
        entries = getattr(self.message, field)
        for index in sorted(indexes, reverse=True):
            del entries[index]
            if self._document is not None:
                del self._document[_key(self._document, _camel(field))][index]
                del self._before[_camel(field)][index]

    def payload(self) -> bytes:
        """The message as it is now, in the encoding that it had."""
        if self._document is None:
            return bytes(self.message.SerializeToString(deterministic=True))
        _patch(self._document, self._before, json_format.MessageToDict(self.message))
        return json.dumps(self._document, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )


def _patch(document: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """Write into `document` what differs, under the keys that it uses.

    protobuf takes some other things for an empty object, such as "": those are replaced whole.
    """
    for name in {**before, **after}:
        old, new, key = before.get(name), after.get(name), _key(document, name)
        if old == new:
            continue
        if new is None:
            document.pop(key, None)
        elif isinstance(old, dict) and isinstance(new, dict) and _are_objects([document[key]]):
            _patch(document[key], old, new)
        elif _are_objects(old) and _are_objects(new) and _are_objects(document[key]):
            for inner, was, now in zip(document[key], old, new, strict=True):
                _patch(inner, was, now)
        else:
            document[key] = new


def _are_objects(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _key(document: dict[str, Any], name: str) -> str:
    """The key under which a document has a field: protobuf's JSON takes two spellings."""
    snake = _CAPITAL.sub(r"_\1", name).lower()
    return snake if name not in document and snake in document else name


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


def timestamp(holder: Any, field: str) -> datetime | None:
    """A protobuf Timestamp that is set and that a datetime can hold, else None."""
    if not holder.HasField(field):
        return None
    try:
        found: datetime = getattr(holder, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found


def shift_gateway(rx: Any, by: timedelta) -> None:
    """Move the times of `gw.UplinkRxInfo` that the gateway wrote; what none can hold stays."""
    with suppress(OverflowError):
        if (at := timestamp(rx, "gw_time")) is not None:
            rx.gw_time.FromDatetime(at + by)
    for field in ("time_since_gps_epoch", "fine_time_since_gps_epoch"):
        with suppress(ValueError):
            if rx.HasField(field):
                since = getattr(rx, field)
                micros = since.ToMicroseconds() + by // timedelta(microseconds=1)
                since.FromMicroseconds(max(0, micros))
