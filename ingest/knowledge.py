"""What ingest knows of its site, read from the ledger, and read again when it has changed."""

from __future__ import annotations

from pydantic import SecretBytes
from sqlalchemy import Connection

from decoders.collection import Collection
from decoders.family import Decoder
from ingest.reader import Knowledge
from ingest.sessions import Sessions
from khaen import log
from khaen.clock import Clock
from khaen.errors import SettingsError
from khaen.priority import PriorityList
from store import sessions, told
from store.database import Database
from store.registry import Registry, generation

_log = log.logger()
LOOK_S = 0.5
"""How often the ledger is asked whether anything changed, in seconds."""


class Loader:
    """Gives new knowledge when the ledger has it, or the folder of codecs changed."""

    def __init__(
        self,
        database: Database,
        key: SecretBytes,
        clock: Clock,
        families: Collection | None = None,
    ) -> None:
        self._database, self._key, self._clock = database, key, clock
        self._families = families or Collection()
        self._next = 0.0
        self._codecs_changed = False
        self._sessions = -1

    def load(self) -> Knowledge:
        """Read everything. Raises StoreUnavailable, SettingsError for a key that is not its."""
        with self._database.read() as connection:
            return self._read(connection)

    def reload(self, known: Knowledge) -> Knowledge | None:
        """New knowledge, or None while `known` is true. Raises StoreUnavailable."""
        now = self._clock.monotonic()
        if now < self._next:
            return None
        self._next = now + LOOK_S
        self._codecs_changed |= self._families.refresh()
        with self._database.read() as connection:
            if (
                not self._codecs_changed
                and generation(connection) == known.registry.generation
                and sessions.count(connection) == self._sessions
            ):
                return None
            found = self._read(connection)
        _log.info("registry_loaded", generation=found.registry.generation)
        return found

    def _read(self, connection: Connection) -> Knowledge:
        registry = Registry.load(connection)
        records = sessions.load(connection, self._key)
        self._sessions = sessions.count(connection)
        self._codecs_changed = False
        families = self._of(registry)
        return Knowledge(
            registry=registry,
            sessions=Sessions(records, told.counters(connection), registry.prefixes),
            urgent_ports={f.id: f.priority_f_ports for f in families if f.priority_f_ports},
            splits={f.id: f.split for f in families if f.split is not None},
        )

    def _of(self, registry: Registry) -> list[Decoder]:
        """The families of the site's devices; one that cannot be used is said, and left out."""
        found: list[Decoder] = []
        for name in {device.family for device in registry.devices}:
            try:
                found.append(self._families.family(name))
            except SettingsError as error:
                _log.warning("family_unusable", family=name, error=str(error))
        return found


def prefer(known: Knowledge) -> PriorityList:
    """What agents send first: the ports on which the site's families call, within its prefixes."""
    ports = frozenset[int]().union(*known.urgent_ports.values())
    return PriorityList(prefixes=known.registry.prefixes, f_ports=tuple(sorted(ports)))
