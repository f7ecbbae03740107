"""Whose a subject is now, when no uplink says so: for timers, and for alarms about gateways."""

from __future__ import annotations

from datetime import datetime

from khaen.errors import UnknownDevice
from khaen.evaluation import Subject, SubjectState
from khaen.ids import DevEui, GatewayEui, OrganisationId, PlaceId, SubjectId
from store.registry import Registry


def find_subject(
    registry: Registry, subject: SubjectId, state: SubjectState, at: datetime
) -> Subject | None:
    """The subject with its organisation at `at`, else that of its open alarms; None for neither."""
    kind, _, name = subject.partition(":")
    owner: tuple[OrganisationId, PlaceId | None] | None = None
    if kind == "person" and (person := registry.persons.get(name)) is not None:
        owner = person.organisation, person.place
    elif kind == "device":
        owner = _of_device(registry, DevEui(name), at)
    elif kind == "gateway" and (gateway := registry.gateway(GatewayEui(name))) is not None:
        owner = gateway.organisation, gateway.place
    if owner is None and state.open:
        owner = next(iter(state.open.values())).organisation, None
    if owner is None:
        return None
    organisation, place = owner
    return Subject(
        id=subject,
        organisation=organisation,
        place=place,
        simulated=registry.is_simulated(organisation),
    )


def _of_device(
    registry: Registry, dev_eui: DevEui, at: datetime
) -> tuple[OrganisationId, PlaceId | None] | None:
    try:
        device = registry.device(dev_eui, at)
    except UnknownDevice:
        return None
    return device.organisation, device.place
