"""A payload whose numbers stand at fixed places: a table of fields, read as far as it goes.

The same table writes them, where a device of our own is described by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def write(
    fields: Sequence[Field], values: Mapping[str, float | None], size: int, order: Order = "big"
) -> bytearray:
    """`size` bytes with the fields' values in them; the others are 0, for the caller to fill.

    None is written as the number that says so. Raises ValueError for what does not fit.
    """
    payload = bytearray(size)
    for field in fields:
        width = int(field.form[1:]) // 8
        value = values[field.quantity]
        raw = min(field.missing) if value is None else round((value - field.plus) * field.divide)
        most = (field.mask or (1 << 8 * width) - 1) >> field.shift
        signed = field.form[0] == "i"
        if not (-(most + 1) // 2 <= raw <= most // 2 if signed else 0 <= raw <= most):
            raise ValueError(f"{field.quantity} {value} does not fit")
        place = slice(field.at, field.at + width)
        before = int.from_bytes(payload[place], order)
        placed = before | (raw << field.shift) & ((1 << 8 * width) - 1)
        payload[place] = placed.to_bytes(width, order)
    return payload


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
