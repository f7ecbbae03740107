"""A payload whose numbers stand at fixed places: a table of fields, read as far as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from khaen.reading import Reading, Warn

OLDEST_CLOCK = datetime(2015, 1, 1, tzinfo=UTC)
"""A device's time before this is a clock that was never set."""

Order = Literal["big", "little"]
_DECIMALS = 7
"""What a position needs: 1 cm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One number: `form` is its sign and bits, from `u8` to `i32`; `at` its first byte.

    The reading is the number, masked and shifted where only some of its bits are meant, divided
    by `divide`, plus `plus`. A number in `missing` says that there is no value.
    """

    quantity: str
    at: int
    form: str = "u8"
    mask: int | None = None
    shift: int = 0
    divide: float = 1
    plus: float = 0
    missing: frozenset[int] = frozenset()
    channel: str = ""


def read(
    fields: Sequence[Field], payload: bytes, order: Order = "big", *, at: datetime | None = None
) -> Iterator[Reading]:
    """The readings of all fields that are whole, measured `at` the device's time."""
    for field in fields:
        raw = number(payload, field.at, field.form, order)
        if raw is None:
            continue
        if field.mask is not None:
            raw &= field.mask
        raw >>= field.shift
        if raw not in field.missing:
            yield Reading(
                quantity=field.quantity,
                value=round(raw / field.divide + field.plus, _DECIMALS),
                channel=field.channel,
                measured_at=at,
            )


def number(payload: bytes, at: int, form: str, order: Order = "big") -> int | None:
    """The number at a place; None where the payload ends before it does."""
    piece = payload[at : at + int(form[1:]) // 8]
    if len(piece) * 8 < int(form[1:]):
        return None
    return int.from_bytes(piece, order, signed=form[0] == "i")


def time(payload: bytes, at: int, order: Order = "big") -> datetime | None:
    """The device's time, four bytes of seconds since 1970; None for a clock that was not set."""
    seconds = number(payload, at, "u32", order)
    if seconds is None or seconds < OLDEST_CLOCK.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def check(payload: bytes, least: int, most: int | None = None) -> tuple[Warn, ...]:
    """A warning for a payload that is shorter than `least` bytes, or longer than `most`."""
    if len(payload) < least:
        return (Warn(text=f"{least} bytes are due", offset=len(payload)),)
    if most is not None and len(payload) > most:
        return (Warn(text="more bytes than are due", offset=most),)
    return ()


def length(fields: Sequence[Field]) -> int:
    """How many bytes a table needs to be whole."""
    return max((field.at + int(field.form[1:]) // 8 for field in fields), default=0)


def quantities(*tables: Sequence[Field]) -> frozenset[str]:
    """The ids of all quantities in some tables."""
    return frozenset(field.quantity for fields in tables for field in fields)
