"""What the registry knows of each thing, and how its rows are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from khaen.clock import from_micros
from khaen.ids import DevEui, GatewayEui, OrganisationId, PlaceId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationRecord:
    """An organisation; a retired one left the site file, but history names it."""

    id: OrganisationId
    parent: OrganisationId | None
    name_th: str
    name_en: str
    simulated: bool
    plan: str | None
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRecord:
    """A place; WGS 84 degrees."""

    id: PlaceId
    organisation: OrganisationId
    name_th: str
    name_en: str
    latitude: float | None
    longitude: float | None
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRecord:
    """A gateway; WGS 84 degrees. What a retired one still sends is taken all the same."""

    eui: GatewayEui
    name: str
    organisation: OrganisationId
    place: PlaceId | None
    latitude: float | None
    longitude: float | None
    simulated: bool
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A device as it was from `valid_from` until before `valid_until` (None: still is)."""

    dev_eui: DevEui
    family: str
    organisation: OrganisationId
    place: PlaceId | None
    counter_restarts: bool
    valid_from: datetime
    valid_until: datetime | None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRecord:
    """Somebody cared for, by opaque id."""

    id: str
    organisation: OrganisationId
    place: PlaceId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRecord:
    """A person wore a device from `valid_from` until before `valid_until` (None: still does)."""

    dev_eui: DevEui
    person: str
    valid_from: datetime
    valid_until: datetime | None
    seeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """`after` the start of a round without an answer, tell the address `to` by `channel`."""

    after: timedelta
    channel: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """An escalation plan; its steps begin again `repeat` after the last round began."""

    id: str
    steps: tuple[StepRecord, ...]
    repeat: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRecord:
    """Where a channel reaches someone; `url_file` is the path of a secret."""

    id: str
    channel: str
    url_file: str


def organisation(row: Any) -> OrganisationRecord:
    """A row of `organisation`."""
    return OrganisationRecord(
        id=row.id,
        parent=row.parent,
        name_th=row.name_th,
        name_en=row.name_en,
        simulated=row.simulated,
        plan=row.plan,
        retired=row.retired_at is not None,
    )


def place(row: Any) -> PlaceRecord:
    """A row of `place`."""
    return PlaceRecord(
        id=row.id,
        organisation=row.organisation,
        name_th=row.name_th,
        name_en=row.name_en,
        latitude=row.latitude,
        longitude=row.longitude,
        retired=row.retired_at is not None,
    )


def gateway(row: Any) -> GatewayRecord:
    """A row of `gateway`."""
    return GatewayRecord(
        eui=row.eui,
        name=row.name,
        organisation=row.organisation,
        place=row.place,
        latitude=row.latitude,
        longitude=row.longitude,
        simulated=row.simulated,
        retired=row.retired_at is not None,
    )


def device(row: Any) -> DeviceRecord:
    """A row of `device`."""
    return DeviceRecord(
        dev_eui=row.dev_eui,
        family=row.family,
        organisation=row.organisation,
        place=row.place,
        counter_restarts=row.counter_restarts,
        valid_from=from_micros(row.valid_from),
        valid_until=_until(row.valid_until),
        latitude=row.latitude,
        longitude=row.longitude,
    )


def person(row: Any) -> PersonRecord:
    """A row of `person`."""
    return PersonRecord(id=row.id, organisation=row.organisation, place=row.place)


def assignment(row: Any) -> AssignmentRecord:
    """A row of `assignment`."""
    return AssignmentRecord(
        dev_eui=row.dev_eui,
        person=row.person,
        valid_from=from_micros(row.valid_from),
        valid_until=_until(row.valid_until),
        seeded=row.seeded,
    )


def plan(row: Any) -> PlanRecord:
    """A row of `plan`."""
    return PlanRecord(
        id=row.id,
        repeat=timedelta(microseconds=row.repeat_us),
        steps=tuple(
            StepRecord(
                after=timedelta(microseconds=step["after_us"]),
                channel=step["channel"],
                to=step["to"],
            )
            for step in json.loads(row.steps)
        ),
    )


def address(row: Any) -> AddressRecord:
    """A row of `address`."""
    return AddressRecord(id=row.id, channel=row.channel, url_file=row.url_file)


def parameters(rows: Iterable[Any]) -> dict[str, dict[str, float]]:
    """Rows of `rule_parameter`, by rule and parameter."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row.rule, {})[row.parameter] = row.value
    return found


def _until(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
