"""What others read of uplinks: where counters stand, and what was decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from khaen.ids import DevAddr, DevEui
from store.schema import registry, traffic


def counters(connection: Connection) -> dict[tuple[DevEui, DevAddr], int]:
    """The newest counter of every device and address."""
    rows = connection.execute(select(_m.dev_eui, _m.dev_addr, _m.f_cnt_max).order_by(_m.generation))
    return {(DevEui(row[0]), DevAddr(row[1])): row[2] for row in rows}


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """What a projection needs of an uplink."""

    dev_eui: str
    subject: str
    organisation: str
    place: str | None
    family: str
    received_at: int
    decoded: str | None


def decoded(connection: Connection, ids: Iterable[UUID]) -> list[DecodedRow]:
    """What these uplinks said, in no order."""
    wanted = {"ids": [each.bytes for each in ids]}
    if not wanted["ids"]:
        return []
    return [DecodedRow(*row) for row in connection.execute(_DECODED, wanted)]


_u, _m = traffic.uplink.c, registry.counter_mark.c
_DECODED = select(
    _u.dev_eui, _u.subject, _u.organisation, _u.place, _u.family, _u.received_at, _u.decoded
).where(_u.id.in_(bindparam("ids", expanding=True)))
