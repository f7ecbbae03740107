"""A payload whose numbers stand at fixed places: a table of fields, read as far as it goes.

The same table writes them, where a device of our own is described by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    end: int = field(init=False, repr=False)
    signed: bool = field(init=False, repr=False)
    is_plain: bool = field(init=False, repr=False)
    """The reading is the number itself."""

    def __post_init__(self) -> None:
        """Work out once what each payload needs."""
        object.__setattr__(self, "end", self.at + int(self.form[1:]) // 8)
        object.__setattr__(self, "signed", self.form[0] == "i")
        object.__setattr__(self, "is_plain", self.divide == 1 and not self.plus)


def read(
    fields: Sequence[Field], payload: bytes, order: Order = "big", *, at: datetime | None = None
) -> list[Reading]:
    """The readings of all fields that are whole, measured `at` the device's time."""
    found: list[Reading] = []
    length = len(payload)
    for one in fields:
        if one.end > length:
            continue
        raw = int.from_bytes(payload[one.at : one.end], order, signed=one.signed)
        if one.mask is not None:
            raw &= one.mask
        raw >>= one.shift
        if raw in one.missing:
            continue
        value = float(raw) if one.is_plain else round(raw / one.divide + one.plus, _DECIMALS)
        found.append(
            Reading(quantity=one.quantity, value=value, channel=one.channel, measured_at=at)
        )
    return found


def write(
    fields: Sequence[Field], values: Mapping[str, float | None], size: int, order: Order = "big"
) -> bytearray:
    """`size` bytes with the fields' values in them; the others are 0, for the caller to fill.

    None is written as the number that says so. Raises ValueError for what does not fit.
    """
    payload = bytearray(size)
    for one in fields:
        place, width = slice(one.at, one.end), one.end - one.at
        value = values[one.quantity]
        raw = min(one.missing) if value is None else round((value - one.plus) * one.divide)
        most = (one.mask or (1 << 8 * width) - 1) >> one.shift
        if not (-(most + 1) // 2 <= raw <= most // 2 if one.signed else 0 <= raw <= most):
            raise ValueError(f"{one.quantity} {value} does not fit")
        before = int.from_bytes(payload[place], order)
        placed = before | (raw << one.shift) & ((1 << 8 * width) - 1)
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
    return max((one.end for one in fields), default=0)


def quantities(*tables: Sequence[Field]) -> frozenset[str]:
    """The ids of all quantities in some tables."""
    return frozenset(one.quantity for fields in tables for one in fields)
