"""Durations as people write them in a scenario: `90`, `90s`, `5m`, `1h30m`, `3d`; in seconds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def parse_duration(text: str | float) -> float:
    """Seconds of a duration; a minus before it is allowed. Raises ValueError."""
    if isinstance(text, int | float):
        return float(text)
    sign, plain = (-1.0, text.strip()[1:]) if text.strip().startswith("-") else (1.0, text.strip())
    if _NUMBER.fullmatch(plain):
        return sign * float(plain)
    if _WHOLE.fullmatch(plain):
        return sign * sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(plain))
    raise ValueError(f"{text!r} is not a duration: write seconds, or such as 90s, 5m, 1h30m, 3d")


def show_duration(seconds: float) -> str:
    """A duration as a person writes it: whole seconds from a minute on, parts of one below."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    left, words = round(abs(seconds)), ""
    for unit, size in _UNITS.items():
        count, left = divmod(left, int(size))
        words += f"{count}{unit}" if count else ""
    return f"-{words}" if seconds < 0 else words


Duration = Annotated[float, BeforeValidator(parse_duration)]
