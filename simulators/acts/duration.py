"""Spans of time as people write them: `90`, `90s`, `500ms`, `10min`, `1h30m`, `3d`."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_SPAN: Final = re.compile(rf"([+-]?)(?:(\d+(?:\.\d+)?)|((?:{_PART.pattern}\s*)+))")
_SHOWN: Final = ("d", "h", "m", "s")


def parse(text: object) -> object:
    """Seconds of a span; what is no text passes as it is. Raises ValueError for another text."""
    if not isinstance(text, str):
        return text
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no span of time, such as 90s, 10min or 1h30m")
    sign, plain, parts = match[1], match[2], match[3]
    seconds = float(plain) if plain else sum(float(n) * _UNITS[u] for n, u in _PART.findall(parts))
    return -seconds if sign == "-" else seconds


def show(seconds: float) -> str:
    """A span as a person reads it: `0.25 s`, `1h30m`; whole seconds from a minute on."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    left, words = round(abs(seconds)), ""
    for unit in _SHOWN:
        count, left = divmod(left, int(_UNITS[unit]))
        words += f"{count}{unit}" if count else ""
    return f"-{words}" if seconds < 0 else words


_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?\d[0-9a-z. ]*$"}]}
)
Offset = Annotated[float, BeforeValidator(parse), Field(allow_inf_nan=False), _SCHEMA]
"""Seconds, forward or back."""
Seconds = Annotated[float, BeforeValidator(parse), Field(ge=0, allow_inf_nan=False), _SCHEMA]
"""Seconds, 0 or more."""
