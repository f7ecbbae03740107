"""Keeps the quarantine and the rings of foreign frames within their bounds, in small steps."""

from __future__ import annotations

from store import quarantine
from store.database import Database

_STEPS = 20
"""Transactions per sweep and shelf: what is left waits for the next one."""


class Sweep:
    """One after the other, each transaction short."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self) -> None:
        """Delete what is too old or too much. Raises StoreUnavailable."""
        with self._database.read() as connection:
            kept = quarantine.kept_bytes(connection)
            gateways = quarantine.ring_gateways(connection)
        for _ in range(_STEPS):
            with self._database.write() as tx:
                rows, freed = quarantine.sweep_quarantine(tx, kept)
            kept -= freed
            if not rows:
                break
        for gateway in gateways:
            for _ in range(_STEPS):
                with self._database.write() as tx:
                    if not quarantine.sweep_ring(tx, gateway):
                        break
