"""Devices of the site file: their versions, their first wearers, their sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import SecretBytes
from sqlalchemy import Connection, func, insert, select, update

from khaen.clock import from_micros
from khaen.ids import DevEui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device, Site
from store import sessions, wanted
from store.database import Transaction
from store.difference import Difference, Step, Values, Write, changed_fields
from store.schema.registry import assignment, device, person

_VALID = ("family", "organisation", "place", "counter_restarts", "latitude", "longitude")


def devices(connection: Connection, site: Site) -> Iterator[Step]:
    """A new version for each device that is new or differs; an end for each that left."""
    columns = [device.c.dev_eui, *(device.c[name] for name in _VALID)]
    current = {
        row["dev_eui"]: {name: row[name] for name in _VALID}
        for row in connection.execute(
            select(*columns).where(device.c.valid_until.is_(None))
        ).mappings()
    }
    once = set(connection.execute(select(device.c.dev_eui).distinct()).scalars())
    want = wanted.devices(site)
    for dev_eui, values in want.items():
        before = current.get(dev_eui)
        if before == values:
            continue
        change = "changed" if before else "returned" if dev_eui in once else "added"
        fields = changed_fields(before, values) if before else ()
        yield Step(
            difference=Difference(kind="device", id=dev_eui, change=change, fields=fields),
            write=_new_version(dev_eui, values, ends_another=before is not None),
        )
    for dev_eui in current.keys() - want.keys():
        yield Step(
            difference=Difference(kind="device", id=dev_eui, change="retired"),
            write=_retire(dev_eui),
        )


def _retire(dev_eui: str) -> Write:
    now_valid = (device.c.dev_eui == dev_eui) & device.c.valid_until.is_(None)

    def write(tx: Transaction) -> None:
        tx.connection.execute(update(device).where(now_valid).values(valid_until=tx.now))

    return write


def _new_version(dev_eui: str, values: Values, *, ends_another: bool) -> Write:
    def write(tx: Transaction) -> None:
        if ends_another:
            _retire(dev_eui)(tx)
        tx.connection.execute(
            insert(device).values(dev_eui=dev_eui, valid_from=tx.now, valid_until=None, **values)
        )

    return write


def seeds(connection: Connection, site: Site) -> Iterator[Step]:
    """A person and an assignment for each resident whose device was never assigned to anybody."""
    assigned = set(connection.execute(select(assignment.c.dev_eui).distinct()).scalars())
    for entry in site.devices:
        if entry.resident is not None and entry.dev_eui not in assigned:
            yield Step(
                difference=Difference(
                    kind="assignment",
                    id=entry.dev_eui,
                    change="added",
                    fields=(("person", None, entry.resident),),
                ),
                write=_seed(entry, entry.resident),
            )


def _seed(entry: Device, resident: str) -> Write:
    def write(tx: Transaction) -> None:
        ever = select(func.count()).where(assignment.c.dev_eui == entry.dev_eui)
        if tx.connection.execute(ever).scalar_one():
            return
        if tx.connection.execute(select(person).where(person.c.id == resident)).first() is None:
            tx.connection.execute(
                insert(person).values(
                    id=resident, organisation=entry.organisation, place=entry.place, seeded=True
                )
            )
        tx.connection.execute(
            insert(assignment).values(
                dev_eui=entry.dev_eui, person=resident, valid_from=tx.now, seeded=True
            )
        )

    return write


def abp_sessions(
    connection: Connection,
    site: Site,
    keys: Mapping[DevEui, SessionKeys],
    ledger_key: SecretBytes | None,
) -> Iterator[Step]:
    """The session of each ABP device whose keys are new; none without the ledger's key."""
    if ledger_key is None:
        return
    known = sessions.known(connection)
    for entry in site.devices:
        pair = keys.get(entry.dev_eui)
        if entry.dev_addr is None or pair is None:
            continue
        digest = sessions.fingerprint(ledger_key, pair.nwk_s_key, pair.app_s_key)
        if (entry.dev_eui, entry.dev_addr, digest) not in known:
            yield Step(
                difference=Difference(kind="session", id=entry.dev_eui, change="added"),
                write=_keep(entry, pair, ledger_key),
            )


def _keep(entry: Device, pair: SessionKeys, ledger_key: SecretBytes) -> Write:
    def write(tx: Transaction) -> None:
        assert entry.dev_addr is not None
        record = sessions.SessionRecord(
            dev_eui=entry.dev_eui,
            dev_addr=entry.dev_addr,
            nwk_s_key=pair.nwk_s_key,
            app_s_key=pair.app_s_key,
            source="site",
            valid_from=from_micros(tx.now),
        )
        sessions.put(tx, ledger_key, record)

    return write
