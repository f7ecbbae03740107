"""A record as a row of the file, and back: a card may have changed any bit of it since."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any, Final

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge.record import Instant, Record
from khaen.clock import Rung, from_micros, to_micros
from khaen.ids import Epoch
from khaen.uplink import Kind, Number, Origin

COLUMNS: Final = (
    "r.id, e.epoch, r.seq, r.kind, r.priority, r.origin, r.device, r.topic, r.clock, r.heard_at,"
    " b.boot_id, r.boot_us, r.frame"
)
JOINED: Final = " LEFT JOIN epoch e ON e.id = r.epoch LEFT JOIN boot b ON b.id = r.boot "
MAX_MICROS: Final = to_micros(datetime.max.replace(tzinfo=UTC))
"""No time of day is later."""
_MAX_BOOT_US: Final = 100 * 366 * 86_400 * 1_000_000
"""No machine runs for longer: a century, in microseconds."""
_DAMAGE: Final = "\N{REPLACEMENT CHARACTER}"


def read(row: Any) -> Record | None:
    """The record of a row of COLUMNS, `after` and `before` left out; None where it is damaged."""
    try:
        return _read(row)
    except (DecodeError, ValueError, TypeError, OverflowError):
        return None


def straighten(db: sqlite3.Connection) -> int:
    """Give priority to what waits and has neither priority nor none, which no page would find; how
    many. Raises sqlite3.Error.
    """
    return db.execute(
        # Two searches of the index; an OR of them would read all of it.
        "UPDATE record SET priority = 1 WHERE id IN ("
        "SELECT id FROM record WHERE settled_at IS NULL AND priority < 0"
        " UNION ALL SELECT id FROM record WHERE settled_at IS NULL AND priority > 1)"
    ).rowcount


def _read(row: Any) -> Record:
    (
        position, epoch, seq, kind, priority, origin, device, topic, clock, heard_at,
        boot_id, boot_us, frame,
    ) = row  # fmt: skip
    if any(_DAMAGE in text for text in (epoch, boot_id, device or "", topic or "")):
        raise ValueError("not UTF-8")
    if not (seq > 0 and 0 <= boot_us <= _MAX_BOOT_US):
        raise ValueError("out of range")
    gw.UplinkFrame.FromString(frame)
    dated = clock is not None
    return Record(
        position=position,
        number=Number(epoch=Epoch(epoch), seq=seq),
        kind=Kind(kind),
        frame=frame,
        priority=bool(priority),
        origin=Origin(origin),
        instant=Instant(
            boot_id=boot_id,
            boot_us=boot_us,
            at=from_micros(heard_at) if dated else None,
            clock=Rung(clock) if dated else None,
        ),
        device=device,
        topic=topic,
    )
