"""The registry: who and what there is, since when, as one immutable snapshot.

The site file owns most of it (`store.inventory` applies it), the console owns persons and
assignments. `generation` changes with either; a program that holds a snapshot looks at it at least
once a second and loads anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table, select

from khaen.errors import UnknownDevice
from khaen.evaluation import Subject
from khaen.ids import DevEui, GatewayEui, OrganisationId, PlaceId, device_subject, person
from store import facts, records
from store.difference import Difference
from store.inventory import apply, diff, flip, generation
from store.records import (
    AddressRecord,
    AssignmentRecord,
    DeviceRecord,
    GatewayRecord,
    OrganisationRecord,
    PersonRecord,
    PlaceRecord,
    PlanRecord,
    StepRecord,
)
from store.schema import registry as table

__all__ = [
    "AddressRecord",
    "AssignmentRecord",
    "DeviceRecord",
    "Difference",
    "GatewayRecord",
    "OrganisationRecord",
    "PersonRecord",
    "PlaceRecord",
    "PlanRecord",
    "Registry",
    "StepRecord",
    "apply",
    "diff",
    "flip",
    "generation",
]


class _OfDevice(Protocol):
    @property
    def dev_eui(self) -> DevEui: ...
    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_until(self) -> datetime | None: ...


V = TypeVar("V", bound=_OfDevice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A snapshot of one generation. `prefixes` are the DevAddr prefixes `AABBCCDD/bits` of ours.

    `gateways` and `devices` are those of the site file now; `organisations` and `places` hold
    also what is retired, because history names it.
    """

    generation: int
    site: str
    organisations: Mapping[OrganisationId, OrganisationRecord]
    places: Mapping[PlaceId, PlaceRecord]
    gateways: Mapping[GatewayEui, GatewayRecord]
    devices: tuple[DeviceRecord, ...]
    persons: Mapping[str, PersonRecord]
    addresses: Mapping[str, AddressRecord]
    plans: Mapping[str, PlanRecord]
    parameters: Mapping[str, Mapping[str, float]]
    prefixes: tuple[str, ...]
    _gateways: Mapping[GatewayEui, GatewayRecord] = field(repr=False)
    _versions: Mapping[DevEui, Sequence[DeviceRecord]] = field(repr=False)
    _assignments: Mapping[DevEui, Sequence[AssignmentRecord]] = field(repr=False)

    @classmethod
    def load(cls, connection: Connection) -> Registry:
        """Read everything, in the one consistent view of the ledger that `connection` has."""

        def rows(source: Table) -> Iterable[Any]:
            return connection.execute(select(source))

        gateways = {r.eui: records.gateway(r) for r in rows(table.gateway)}
        versions = _by_device(records.device(r) for r in rows(table.device))
        current = (v[-1] for v in versions.values() if v[-1].valid_until is None)
        return cls(
            generation=generation(connection),
            site=facts.read(connection, "site") or "",
            organisations={r.id: records.organisation(r) for r in rows(table.organisation)},
            places={r.id: records.place(r) for r in rows(table.place)},
            gateways={eui: found for eui, found in gateways.items() if not found.retired},
            devices=tuple(sorted(current, key=attrgetter("dev_eui"))),
            persons={r.id: records.person(r) for r in rows(table.person)},
            addresses={r.id: records.address(r) for r in rows(table.address)},
            plans={r.id: records.plan(r) for r in rows(table.plan)},
            parameters=records.parameters(rows(table.rule_parameter)),
            prefixes=tuple(sorted(r.prefix for r in rows(table.address_prefix))),
            _gateways=gateways,
            _versions=versions,
            _assignments=_by_device(records.assignment(r) for r in rows(table.assignment)),
        )

    def device(self, dev_eui: DevEui, at: datetime) -> DeviceRecord:
        """The device as it was at `at`. Raises UnknownDevice.

        Its first version counts for all time before: what was heard before a device was entered
        is that device's all the same.
        """
        versions = self._versions.get(dev_eui, ())
        found = _valid(versions, at)
        if found is None and versions and at < versions[0].valid_from:
            found = versions[0]
        if found is None:
            raise UnknownDevice(f"no device {dev_eui} at {at.isoformat()}")
        return found

    def subject(self, dev_eui: DevEui, at: datetime) -> Subject:
        """Of whom or what the device spoke at `at`: its wearer, else itself. Raises UnknownDevice.

        A wearer's organisation is the wearer's own, which cares for the person.
        """
        device = self.device(dev_eui, at)
        wearer = self._wearer(dev_eui, at)
        organisation = wearer.organisation if wearer else device.organisation
        place = (wearer.place if wearer else None) or device.place
        return Subject(
            id=person(wearer.id) if wearer else device_subject(dev_eui),
            organisation=organisation,
            place=place,
            simulated=self.is_simulated(organisation),
        )

    def _wearer(self, dev_eui: DevEui, at: datetime) -> PersonRecord | None:
        worn = self._assignments.get(dev_eui, ())
        found = _valid(worn, at)
        # A seed says who wears the device, not since when: it counts for all time before, too.
        if found is None and worn and worn[0].seeded and at < worn[0].valid_from:
            found = worn[0]
        return self.persons.get(found.person) if found is not None else None

    def is_simulated(self, organisation: OrganisationId) -> bool:
        """Whether nobody real is paged for it; an organisation that is unknown is real."""
        found = self.organisations.get(organisation)
        return found is not None and found.simulated

    def gateway(self, eui: GatewayEui) -> GatewayRecord | None:
        """A gateway of ours, also a retired one; None for one that never was in the site file."""
        return self._gateways.get(eui)

    def assignments(self, dev_eui: DevEui) -> Sequence[AssignmentRecord]:
        """Who wore the device, oldest first."""
        return self._assignments.get(dev_eui, ())

    def below(self, organisation: OrganisationId) -> frozenset[OrganisationId]:
        """An organisation and all that are below it; retired ones too, whose history remains."""
        children: defaultdict[OrganisationId | None, list[OrganisationId]] = defaultdict(list)
        for record in self.organisations.values():
            children[record.parent].append(record.id)
        found: set[OrganisationId] = set()
        ahead = [organisation]
        while ahead:
            current = ahead.pop()
            if current not in found:
                found.add(current)
                ahead += children[current]
        return frozenset(found)

    def plan(self, organisation: OrganisationId) -> PlanRecord | None:
        """The escalation plan of an organisation, or of the nearest above that has one."""
        current: OrganisationId | None = organisation
        while current is not None and (record := self.organisations.get(current)) is not None:
            if record.plan is not None:
                return self.plans.get(record.plan)
            current = record.parent
        return None


def _valid(versions: Sequence[V], at: datetime) -> V | None:
    """The version that held at `at`; later ones go first, where two touch."""
    for version in reversed(versions):
        if version.valid_from <= at and (version.valid_until is None or at < version.valid_until):
            return version
    return None


def _by_device(found: Iterable[V]) -> dict[DevEui, Sequence[V]]:
    versions: defaultdict[DevEui, list[V]] = defaultdict(list)
    for record in sorted(found, key=attrgetter("valid_from")):
        versions[record.dev_eui].append(record)
    return dict(versions)
