"""The site file's part of the registry: what differs, and writing it in short steps.

Whatever a step leaves unfinished, applying again finds as a difference; readers learn of the whole
by the generation, which the last step turns. Nothing that history names is deleted: devices have
versions, organisations, places and gateways are retired. A resident of the file's device list is
made into a person and an assignment once; from then on the console owns both.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretBytes
from sqlalchemy import Connection, delete, insert, select, update

from khaen.errors import SettingsError
from khaen.ids import DevEui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Site
from store import enrolment, facts, wanted
from store.database import Database, Transaction
from store.difference import Difference, Step, Values, Write, changed_fields
from store.journal import Kind

_SITE, _DOCUMENT, _GENERATION, _APPLYING = "site", "site_file", "registry", "registry_applying"
_STEP_SECONDS = 0.02
"""What a transaction aims at; writers may hold the lock for 50 ms."""


def generation(connection: Connection) -> int:
    """The registry's generation; 0 before anything was applied. Cheap."""
    return int(facts.read(connection, _GENERATION) or 0)


def flip(tx: Transaction) -> int:
    """Turn the generation, so that every program loads the registry anew within a second."""
    turned = generation(tx.connection) + 1
    facts.write(tx, _GENERATION, str(turned))
    tx.journal(Kind.REGISTRY, str(turned))
    return turned


def diff(
    connection: Connection,
    site: Site,
    keys: Mapping[DevEui, SessionKeys] | None = None,
    ledger_key: SecretBytes | None = None,
) -> list[Difference]:
    """What `apply` would do. New session keys are seen only where keys and the ledger's are given.

    Raises SettingsError where the ledger belongs to another site.
    """
    return [step.difference for step in _steps(connection, site, keys or {}, ledger_key)]


def apply(
    database: Database,
    site: Site,
    keys: Mapping[DevEui, SessionKeys],
    ledger_key: SecretBytes,
) -> list[Difference]:
    """Write the site's part of the registry and say what was done; nothing where nothing differs.

    Raises SettingsError where the ledger belongs to another site, StoreUnavailable like any writer.
    """
    with database.read() as connection:
        steps = _steps(connection, site, keys, ledger_key)
        unfinished = facts.read(connection, _APPLYING) is not None
    if not steps and not unfinished:
        return []
    with database.write() as tx:
        facts.write(tx, _SITE, site.site)
        facts.write(tx, _APPLYING, "1")
    _run(database, steps)
    with database.write() as tx:
        facts.forget(tx, _APPLYING)
        flip(tx)
    return [step.difference for step in steps]


def _run(database: Database, steps: list[Step]) -> None:
    """Write the steps, as many to a transaction as its time allows, however slow the machine is."""
    waiting = deque(steps)
    while waiting:
        with database.write() as tx:
            until = time.monotonic() + _STEP_SECONDS
            while waiting:
                waiting.popleft().write(tx)
                if time.monotonic() >= until:
                    break


def _steps(
    connection: Connection,
    site: Site,
    keys: Mapping[DevEui, SessionKeys],
    ledger_key: SecretBytes | None,
) -> list[Step]:
    owner = facts.read(connection, _SITE)
    if owner is not None and owner != site.site:
        raise SettingsError(
            f"site: this ledger belongs to the site {owner!r}, the file describes {site.site!r}; "
            "give the other site a data directory of its own"
        )
    rows = wanted.rows(site)
    kinds = [(kind, _current(connection, kind), rows[kind.name]) for kind in wanted.KINDS]
    return [
        *_document(connection, site),
        *(step for kind, now, want in kinds for step in _arriving(kind, now, want)),
        *enrolment.devices(connection, site),
        *enrolment.seeds(connection, site),
        *enrolment.abp_sessions(connection, site, keys, ledger_key),
        *(step for kind, now, want in reversed(kinds) for step in _leaving(kind, now, want)),
    ]


def _document(connection: Connection, site: Site) -> Iterator[Step]:
    before, after = facts.read(connection, _DOCUMENT), wanted.document(site)
    if before != after:
        yield Step(
            difference=Difference(
                kind="site",
                id=site.site,
                change="added" if before is None else "changed",
                fields=(("settings", before, after),),
            ),
            write=lambda tx: facts.write(tx, _DOCUMENT, after),
        )


def _current(connection: Connection, kind: wanted.Kind) -> dict[wanted.Key, Values]:
    found: dict[wanted.Key, Values] = {}
    for row in connection.execute(select(kind.table)).mappings():
        values = dict(row)
        found[tuple(str(values.pop(column)) for column in kind.key)] = values
    return found


def _arriving(
    kind: wanted.Kind,
    now: Mapping[wanted.Key, Values],
    want: Mapping[wanted.Key, Values],
) -> Iterator[Step]:
    for key, values in want.items():
        before = now.get(key)
        after = {**values, "retired_at": None} if kind.retires else values
        if before == after:
            continue
        difference = _difference(kind.name, "/".join(key), before, after)
        yield Step(difference=difference, write=_upsert(kind, key, after))


def _difference(kind: str, name: str, before: Values | None, after: Values) -> Difference:
    if before is None:
        return Difference(kind=kind, id=name, change="added")
    change = "returned" if before.get("retired_at") is not None else "changed"
    fields = tuple(f for f in changed_fields(before, after) if f[0] != "retired_at")
    return Difference(kind=kind, id=name, change=change, fields=fields)


def _upsert(kind: wanted.Kind, key: wanted.Key, values: Values) -> Write:
    def write(tx: Transaction) -> None:
        found = select(kind.table.c[kind.key[0]]).where(*_is(kind, key))
        if tx.connection.execute(found).first() is None:
            row = {**dict(zip(kind.key, key, strict=True)), **values}
            tx.connection.execute(insert(kind.table).values(row))
        elif values:
            tx.connection.execute(update(kind.table).where(*_is(kind, key)).values(values))

    return write


def _is(kind: wanted.Kind, key: wanted.Key) -> list[Any]:
    return [kind.table.c[c] == part for c, part in zip(kind.key, key, strict=True)]


def _leaving(
    kind: wanted.Kind,
    now: Mapping[wanted.Key, Values],
    want: Mapping[wanted.Key, Values],
) -> Iterator[Step]:
    for key, values in now.items():
        if key in want or values.get("retired_at") is not None:
            continue
        change = "retired" if kind.retires else "removed"
        difference = Difference(kind=kind.name, id="/".join(key), change=change)
        yield Step(difference=difference, write=_remove(kind, key))


def _remove(kind: wanted.Kind, key: wanted.Key) -> Write:
    def write(tx: Transaction) -> None:
        if kind.retires:
            statement = update(kind.table).where(*_is(kind, key)).values(retired_at=tx.now)
            tx.connection.execute(statement)
        else:
            tx.connection.execute(delete(kind.table).where(*_is(kind, key)))

    return write
