"""What a screen shows beside the open alarms, read for many of them at once.

Which alarms changed since a position of the journal, how they were heard, what was closed, the
gateways, and the newest values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, distinct, func, select

from khaen.alarm import Alarm, AlarmClass
from khaen.clock import from_micros, to_micros
from khaen.ids import AlarmId, GatewayEui, SubjectId
from khaen.reading import Quality
from store.alarm_row import from_row
from store.journal import Kind
from store.schema.accounts import gateway_state
from store.schema.alarms import alarm, alarm_event
from store.schema.base import journal
from store.schema.registry import assignment, gateway
from store.schema.traffic import latest, reception, uplink


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """The uplink that raised an alarm: when it was received, and how often it was heard."""

    uplink: UUID
    received_at: datetime
    ingested_at: datetime
    receptions: int
    gateways: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """When a gateway's last fresh heartbeat, and its last frame, came in."""

    eui: GatewayEui
    name: str
    organisation: str
    simulated: bool
    heartbeat_at: datetime | None
    frame_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The newest value of one quantity of one device."""

    dev_eui: str
    quantity: str
    channel: str
    value: float
    quality: Quality
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An alarm at the place in the journal where it changed."""

    position: int
    alarm: AlarmId


def changed(connection: Connection, *, after: int, upto: int, limit: int = 1000) -> list[Changed]:
    """The changes of alarms after one position up to another, in order."""
    rows = connection.execute(
        select(journal.c.position, journal.c.ref)
        .where(journal.c.position > after, journal.c.position <= upto, journal.c.kind == Kind.ALARM)
        .order_by(journal.c.position)
        .limit(limit)
    )
    return [Changed(position=row.position, alarm=AlarmId(UUID(row.ref))) for row in rows]


def newest_change(connection: Connection, alarm_id: AlarmId) -> tuple[str, datetime, UUID | None]:
    """The last thing that happened to an alarm, when, and by which uplink (None: by none)."""
    row = connection.execute(
        select(alarm_event.c.change, alarm_event.c.recorded_at, alarm_event.c.uplink)
        .where(alarm_event.c.alarm == alarm_id.bytes)
        .order_by(alarm_event.c.seq.desc())
        .limit(1)
    ).one()
    return row.change, from_micros(row.recorded_at), _uuid(row.uplink)


def recently_closed(
    connection: Connection, organisations: frozenset[str], *, raised_after: datetime, limit: int
) -> list[Alarm]:
    """Alarms of organisations that are closed, the last closed first; tests are left out."""
    rows = connection.execute(
        select(alarm)
        .where(
            alarm.c.organisation.in_(sorted(organisations)),
            alarm.c.raised_at >= to_micros(raised_after),
            alarm.c.open_key.is_(None),
            alarm.c.alarm_class != AlarmClass.TEST,
        )
        .order_by(func.coalesce(alarm.c.closed_at, alarm.c.raised_at).desc(), alarm.c.id)
        .limit(limit)
    )
    return [from_row(row) for row in rows]


def hearings(connection: Connection, alarms: Sequence[AlarmId]) -> dict[AlarmId, Hearing]:
    """How the first uplink of each alarm was heard; alarms without an uplink are left out."""
    first = (
        select(alarm_event.c.alarm, func.min(alarm_event.c.seq).label("seq"))
        .where(
            alarm_event.c.alarm.in_([alarm.bytes for alarm in alarms]),
            alarm_event.c.uplink.is_not(None),
        )
        .group_by(alarm_event.c.alarm)
        .subquery()
    )
    rows = connection.execute(
        select(
            alarm_event.c.alarm,
            uplink.c.id,
            uplink.c.received_at,
            uplink.c.ingested_at,
            uplink.c.receptions,
            func.count(distinct(reception.c.gateway_eui)).label("gateways"),
        )
        .join(first, first.c.seq == alarm_event.c.seq)
        .join(uplink, uplink.c.id == alarm_event.c.uplink)
        .outerjoin(reception, reception.c.uplink == uplink.c.seq)
        .group_by(alarm_event.c.alarm, uplink.c.seq)
    )
    return {
        AlarmId(UUID(bytes=row.alarm)): Hearing(
            uplink=UUID(bytes=row.id),
            received_at=from_micros(row.received_at),
            ingested_at=from_micros(row.ingested_at),
            receptions=row.receptions,
            gateways=row.gateways,
        )
        for row in rows
    }


def contacts(connection: Connection, organisations: frozenset[str]) -> list[Contact]:
    """The gateways of organisations, by name, with the age of what was last heard of each."""
    rows = connection.execute(
        select(
            gateway.c.eui,
            gateway.c.name,
            gateway.c.organisation,
            gateway.c.simulated,
            gateway_state.c.heartbeat_seen_at,
            gateway_state.c.frame_at,
        )
        .select_from(gateway.outerjoin(gateway_state, gateway_state.c.gateway_eui == gateway.c.eui))
        .where(gateway.c.organisation.in_(organisations), gateway.c.retired_at.is_(None))
        .order_by(gateway.c.name, gateway.c.eui)
    )
    return [
        Contact(
            eui=GatewayEui(row.eui),
            name=row.name,
            organisation=row.organisation,
            simulated=row.simulated,
            heartbeat_at=_time(row.heartbeat_seen_at),
            frame_at=_time(row.frame_at),
        )
        for row in rows
    ]


def newest_values(connection: Connection, subject: SubjectId) -> list[Value]:
    """The newest value of each quantity of a subject's devices, newest first.

    Of a person only what was measured since they wear the device: before, it was another's.
    """
    kind, _, name = subject.partition(":")
    wanted = select(latest).order_by(latest.c.at.desc(), latest.c.quantity)
    if kind == "person":
        wanted = wanted.join(
            assignment,
            (assignment.c.dev_eui == latest.c.dev_eui)
            & (assignment.c.seeded | (latest.c.at >= assignment.c.valid_from)),
        ).where(assignment.c.person == name, assignment.c.valid_until.is_(None))
    else:
        wanted = wanted.where(latest.c.dev_eui == name)
    return [
        Value(
            dev_eui=row.dev_eui,
            quantity=row.quantity,
            channel=row.channel,
            value=row.value,
            quality=Quality(row.quality),
            at=from_micros(row.at),
        )
        for row in connection.execute(wanted)
    ]


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _uuid(raw: bytes | None) -> UUID | None:
    return None if raw is None else UUID(bytes=raw)
