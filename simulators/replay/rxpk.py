"""A datagram's frames with nothing in them but what the radio measured, each value in its format.

Fields and formats: Semtech packet_forwarder, PROTOCOL.TXT 1.4, section 4. Frames without readable
bytes are left out, and so are fields that are not listed and values that no radio measures: a
number too large may be a telephone's.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from khaen.clock import format_time
from simulators.forms.datagram import HEADER
from simulators.forms.frame import time_of

Check = Callable[[Any], Any]
"""The value as it may be written, None where it may not."""
_COUNT: Final = 0xFFFF_FFFF
_INDEX: Final = 255
_NANOSECONDS: Final = 999_999_999
_GPS_MS: Final = 2**42
"""About 139 years after the beginning of GPS time."""
_HZ: Final = 1_000_000
_MHZ: Final = 10_000
_DB: Final = 200
_BITS_S: Final = 500_000


def _whole(value: Any, *, low: int = 0, high: int) -> int | None:
    return value if type(value) is int and low <= value <= high else None


def _real(value: Any, *, low: float, high: float) -> float | None:
    return value if type(value) in {int, float} and low <= value <= high else None


def _text(value: Any, *, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _rate(value: Any) -> int | str | None:
    lora = re.compile(r"SF[0-9]{1,2}BW[0-9]{1,4}|M0CW[0-9]{1,4}")
    return _whole(value, high=_BITS_S) if type(value) is int else _text(value, pattern=lora)


def _time(value: Any) -> str | None:
    at = time_of(value)
    return format_time(at) if at is not None else None


def _data(value: Any) -> str | None:
    try:
        return value if isinstance(value, str) and base64.b64decode(value, validate=True) else None
    except (binascii.Error, ValueError):
        return None


_decibel = partial(_real, low=-_DB, high=_DB)
_index = partial(_whole, high=_INDEX)
_FIELDS: Final[Mapping[str, Check]] = {
    "tmst": partial(_whole, high=_COUNT),
    "tmms": partial(_whole, high=_GPS_MS),
    "ftime": partial(_whole, high=_NANOSECONDS),
    "time": _time,
    "chan": _index,
    "rfch": _index,
    "brd": _index,
    "mid": _index,
    "size": _index,
    "freq": partial(_real, low=0, high=_MHZ),
    "stat": partial(_whole, low=-1, high=1),
    "modu": partial(_text, pattern=re.compile("LORA|FSK|LR-FHSS")),
    "datr": _rate,
    "codr": partial(_text, pattern=re.compile("[0-9]/[0-9](LI)?")),
    "rssi": _decibel,
    "rssis": _decibel,
    "lsnr": _decibel,
    "foff": partial(_whole, low=-_HZ, high=_HZ),
    "hpw": _index,
    "data": _data,
}


def scrub(datagram: bytes) -> bytes:
    """The datagram with what is known to be the radio's. Raises ValueError, TypeError, KeyError."""
    document = json.loads(datagram[HEADER:])
    entries = [_clean(entry) for entry in document["rxpk"] if isinstance(entry, dict)]
    left = [entry for entry in entries if "data" in entry]
    return datagram[:HEADER] + json.dumps({"rxpk": left}, separators=(",", ":")).encode()


def _clean(entry: Mapping[str, Any]) -> dict[str, Any]:
    checked = {key: check(entry[key]) for key, check in _FIELDS.items() if key in entry}
    return {key: value for key, value in checked.items() if value is not None}
