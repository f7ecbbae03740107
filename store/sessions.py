"""Every LoRaWAN session ever known, its keys sealed at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretBytes
from sqlalchemy import Connection, func, insert, select

from khaen.clock import from_micros, to_micros
from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui
from store.database import Transaction
from store.schema.registry import session
from store.sealing import digest, seal, unseal

KEY_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One session: keys of 16 bytes; `source` is `site`, `join` or `network_server`."""

    dev_eui: DevEui
    dev_addr: DevAddr
    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)
    source: str
    valid_from: datetime


def load(connection: Connection, key: SecretBytes) -> list[SessionRecord]:
    """All sessions, oldest first. Raises SettingsError where the key is not the ledger's."""
    rows = connection.execute(select(session).order_by(session.c.valid_from, session.c.seq))
    records = []
    for row in rows:
        dev_eui, dev_addr = DevEui(row.dev_eui), DevAddr(row.dev_addr)
        keys = unseal(key, row.keys, context=_context(dev_eui, dev_addr))
        records.append(
            SessionRecord(
                dev_eui=dev_eui,
                dev_addr=dev_addr,
                nwk_s_key=keys[:KEY_SIZE],
                app_s_key=keys[KEY_SIZE:],
                source=row.source,
                valid_from=from_micros(row.valid_from),
            )
        )
    return records


def known(connection: Connection) -> set[tuple[DevEui, DevAddr, bytes]]:
    """What is known of all sessions without opening them: device, address, digest of the keys."""
    columns = session.c.dev_eui, session.c.dev_addr, session.c.keys_digest
    return {(DevEui(e), DevAddr(a), bytes(d)) for e, a, d in connection.execute(select(*columns))}


def count(connection: Connection) -> int:
    """How many sessions there are; they are never deleted, so a change of it is news. Cheap."""
    return connection.execute(select(func.count()).select_from(session)).scalar_one()


def fingerprint(key: SecretBytes, nwk_s_key: bytes, app_s_key: bytes) -> bytes:
    """The digest by which a session is known again. Raises SettingsError for other sizes."""
    if (len(nwk_s_key), len(app_s_key)) != (KEY_SIZE, KEY_SIZE):
        raise SettingsError(f"a session key has {KEY_SIZE} bytes")
    return digest(key, nwk_s_key + app_s_key)


def put(tx: Transaction, key: SecretBytes, record: SessionRecord) -> None:
    """Keep a session; one that is known already stays as it is."""
    keys_digest = fingerprint(key, record.nwk_s_key, record.app_s_key)
    same = (
        (session.c.dev_eui == record.dev_eui)
        & (session.c.dev_addr == record.dev_addr)
        & (session.c.keys_digest == keys_digest)
    )
    if tx.connection.execute(select(session.c.seq).where(same)).first() is not None:
        return
    tx.connection.execute(
        insert(session).values(
            dev_eui=record.dev_eui,
            dev_addr=record.dev_addr,
            source=record.source,
            keys=seal(
                key,
                record.nwk_s_key + record.app_s_key,
                context=_context(record.dev_eui, record.dev_addr),
            ),
            keys_digest=keys_digest,
            valid_from=to_micros(record.valid_from),
        )
    )


def _context(dev_eui: DevEui, dev_addr: DevAddr) -> bytes:
    return f"session|{dev_eui}|{dev_addr}".encode()
