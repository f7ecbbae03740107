"""The latest value of each quantity of a device, whatever order uplinks come in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain

from khaen.clock import to_micros
from khaen.ids import DevEui, UplinkId
from khaen.reading import Decoded, Quality
from khaen.uplink import Uplink
from store.database import Transaction
from store.statements import placeholders

Row = tuple[DevEui, str, str, float, str, int, bytes]
"""In the order of the table's columns."""
_AHEAD = timedelta(seconds=5)
_TOGETHER = 16
"""Rows that one statement writes; one each costs half as much again."""


def rows(uplink_id: UplinkId, uplink: Uplink, decoded: Decoded) -> Iterator[Row]:
    """What a decoded uplink says of its device's quantities."""
    dev_eui, id_, received_at = uplink.dev_eui, uplink_id.bytes, uplink.received_at
    received_us = to_micros(received_at)
    for reading in decoded.readings:
        if not math.isfinite(reading.value):
            continue
        at, measured = received_us, reading.measured_at
        # A device's clock that runs ahead must not hide all that it says later.
        if measured is not None and measured <= received_at + _AHEAD:
            at = to_micros(measured)
        quality = "good" if reading.quality is Quality.GOOD else "suspect"
        yield dev_eui, reading.quantity, reading.channel, reading.value, quality, at, id_


def write(tx: Transaction, found: Sequence[Row]) -> None:
    """Keep what is later than what is kept."""
    whole = len(found) - len(found) % _TOGETHER
    groups = (found[i : i + _TOGETHER] for i in range(0, whole, _TOGETHER))
    tx.many(_SEVERAL, [tuple(chain.from_iterable(group)) for group in groups])
    tx.many(_ONE, found[whole:])


_INTO = "INSERT INTO latest (dev_eui, quantity, channel, value, quality, at, uplink) VALUES "
_UNLESS_OLDER = (
    " ON CONFLICT (dev_eui, quantity, channel) DO UPDATE SET"
    " value = excluded.value, quality = excluded.quality, at = excluded.at,"
    " uplink = excluded.uplink"
    " WHERE excluded.at > latest.at"
    " OR (excluded.at = latest.at AND excluded.uplink > latest.uplink)"
)
_ONE, _SEVERAL = (
    _INTO + ", ".join([placeholders(7)] * count) + _UNLESS_OLDER for count in (1, _TOGETHER)
)
