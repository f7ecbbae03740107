"""Which gateways are heard, and who is heard by which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from khaen.clock import from_micros, to_micros
from khaen.ids import GatewayEui, SubjectId
from store.schema.accounts import gateway_state, heard_by

UNSEEN_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When a gateway's last fresh heartbeat, and its last frame, were committed."""

    heartbeat_at: datetime | None
    frame_at: datetime | None


def gateways(connection: Connection) -> dict[GatewayEui, Heard]:
    """Every gateway that was ever heard."""
    of = gateway_state.c
    return {
        GatewayEui(row.gateway_eui): Heard(
            heartbeat_at=_time(row.heartbeat_seen_at), frame_at=_time(row.frame_at)
        )
        for row in connection.execute(select(of.gateway_eui, of.heartbeat_seen_at, of.frame_at))
    }


def unseen(
    connection: Connection,
    gateway: GatewayEui,
    *,
    silent: Collection[GatewayEui],
    since: datetime,
) -> tuple[SubjectId, ...]:
    """Whom, since `since`, this gateway heard and no other one did that is not `silent` too.

    At most 1000, sorted.
    """
    other = heard_by.alias()
    covered = (
        select(other.c.subject)
        .where(other.c.subject == heard_by.c.subject, other.c.at >= to_micros(since))
        .where(other.c.gateway_eui.not_in(sorted({gateway, *silent})))
        .exists()
    )
    rows = connection.execute(
        select(heard_by.c.subject)
        .where(heard_by.c.gateway_eui == gateway, heard_by.c.at >= to_micros(since), ~covered)
        .order_by(heard_by.c.subject)
        .limit(UNSEEN_KEPT)
    )
    return tuple(SubjectId(row.subject) for row in rows)


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
