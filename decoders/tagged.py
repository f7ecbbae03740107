"""Payloads that are a row of fields, each a tag and as many bytes as the tag stands for.

ELSYS puts the tag alone before a field; Cayenne LPP and Yobiiq put the number of a channel before
the tag. Numbers have the most significant byte first. A field that the table does not know ends
the reading, because its length is unknown: what stands before it is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from decoders import layout
from khaen.reading import Decoded, Reading, Warn


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number of a field: the `item`th that its form unpacks, times `times`, over `divide`.

    A raw number in `missing` says that there is no value. A `wide` one has 24 bits, of which its
    item has the upper 8 and the next the lower 16. A `state` is 1 for every number but zero.
    """

    quantity: str
    item: int = 0
    times: float = 1
    divide: float = 1
    channel: str = ""
    missing: frozenset[int] = frozenset()
    wide: bool = False
    state: bool = False

    def read(self, raw: tuple[int, ...]) -> float | None:
        """The value in the quantity's unit, or None where there is none."""
        number = raw[self.item]
        if self.wide:
            number = number << 16 | raw[self.item + 1]
        if number in self.missing:
            return None
        return float(number != 0) if self.state else number * self.times / self.divide


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a tag stands for: `form` as of `struct`, without its order of bytes.

    A field that `dates` is the seconds since 1970 at which what follows it was measured.
    """

    form: str
    values: tuple[Value, ...] = ()
    dates: bool = False
    layout: struct.Struct = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", struct.Struct(f">{self.form}"))


FieldTable = Mapping[int, Field]


def one(form: str, quantity: str, *, divide: float = 1, channel: str = "") -> Field:
    """A field of one number."""
    return Field(form=form, values=(Value(quantity=quantity, divide=divide, channel=channel),))


def read(table: FieldTable, payload: bytes, *, head: int = 1, numbered: bool = False) -> Decoded:
    """Read field after field; what cannot be read is a warning with its offset.

    `head` is how many bytes stand before a field, the last of them its tag; a table may also have a
    field under all of them as one number. `numbered` fields take the first for their channel.
    """
    readings: list[Reading] = []
    warnings: list[Warn] = []
    measured_at = None
    at = 0
    while at < len(payload):
        start, at = at, at + head
        found = _field(table, payload[start:at]) if at <= len(payload) else None
        if found is None:
            warnings.append(Warn(text=f"unknown field {payload[start:at].hex()}", offset=start))
            break
        if at + found.layout.size > len(payload):
            warnings.append(Warn(text="the field is cut short", offset=start))
            break
        raw = found.layout.unpack_from(payload, at)
        at += found.layout.size
        if found.dates:
            measured_at = layout.time(payload, at - found.layout.size)
            if measured_at is None:
                warnings.append(Warn(text="history of a clock that was not set", offset=start))
                break
        for value in found.values:
            number = value.read(raw)
            if number is None:
                warnings.append(Warn(text=f"no {value.quantity}", offset=start))
                continue
            readings.append(
                Reading(
                    quantity=value.quantity,
                    value=number,
                    channel=str(payload[start]) if numbered else value.channel,
                    measured_at=measured_at,
                )
            )
    return Decoded(readings=tuple(readings), warnings=tuple(warnings))


def _field(table: FieldTable, head: bytes) -> Field | None:
    return table.get(int.from_bytes(head, "big")) or table.get(head[-1])


def quantities(table: FieldTable) -> frozenset[str]:
    """The ids of all quantities in a table."""
    return frozenset(value.quantity for found in table.values() for value in found.values)
