"""What others read of uplinks: where counters stand, what they said, and what was decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, select

from khaen.clock import Rung, from_micros, to_micros
from khaen.ids import DevAddr, DevEui
from khaen.uplink import Origin, Reception, Uplink, Way
from store import document
from store.hearing import NOWHERE
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


def left_raw(connection: Connection, family: str, limit: int) -> Counter[str]:
    """In how many of a family's newest uplinks each key came that its mapping does not name."""
    rows = connection.execute(
        select(_u.decoded).where(_u.family == family).order_by(_u.seq.desc()).limit(limit)
    )
    return Counter(key for (text,) in rows for key in {key for key, _ in document.parse(text).raw})


def uplinks(
    connection: Connection,
    *,
    devices: Collection[DevEui] = (),
    since: datetime | None = None,
    limit: int,
) -> list[tuple[str, Uplink]]:
    """The newest uplinks, of these devices or of all, each with its family, in their order."""
    wanted = select(traffic.uplink)
    if devices:
        wanted = wanted.where(_u.dev_eui.in_(devices))
    if since is not None:
        wanted = wanted.where(_u.received_at >= to_micros(since))
    rows = connection.execute(wanted.order_by(_u.seq.desc()).limit(limit)).all()
    return [(row.family, uplink(row)) for row in reversed(rows)]


def uplink(row: Row[tuple[object, ...]]) -> Uplink:
    """The uplink of a row, without the frame; its one reception says when it was heard."""
    heard = Reception(
        gateway_eui=NOWHERE,
        way=Way.LIVE,
        received_at=from_micros(row.received_at),
        clock=Rung(row.clock),
    )
    return Uplink(
        dev_eui=DevEui(row.dev_eui),
        dev_addr=DevAddr(row.dev_addr),
        generation=row.generation,
        f_cnt=row.f_cnt,
        f_port=row.f_port,
        payload=row.payload,
        phy_payload=None,
        confirmed=row.confirmed,
        origin=Origin(row.origin),
        receptions=(heard,),
    )


_u, _m = traffic.uplink.c, registry.counter_mark.c
_DECODED = select(
    _u.dev_eui, _u.subject, _u.organisation, _u.place, _u.family, _u.received_at, _u.decoded
).where(_u.id.in_(bindparam("ids", expanding=True)))
