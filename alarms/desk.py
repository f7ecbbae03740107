"""What all parts of the alarm program share: the ledger, its registry, the clock, the counts.

SQL runs in one thread of its own, the waiting for the journal in another.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from alarms.counts import Counts
from khaen.clock import Clock, SystemClock
from khaen.settings import Settings
from store import registry
from store.database import Database, Transaction
from store.registry import Registry

T = TypeVar("T")


class Desk:
    """One alarm program's things. `id` names this very process where it claims rows."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.database = Database(settings.ledger.url, clock=self.clock)
        self.counts = Counts()
        self.id = f"{settings.alarms.name}-{os.getpid()}-{secrets.token_hex(4)}"
        self.calls_due = asyncio.Event()
        """Set when a notification may be due."""
        self.timers_due = asyncio.Event()
        self._registry: Registry | None = None
        self._sql = ThreadPoolExecutor(1, "sql")
        self._waiter = ThreadPoolExecutor(1, "journal")

    def close(self) -> None:
        """Let the threads end what they do, and close the ledger."""
        self._waiter.shutdown(cancel_futures=True)
        self._sql.shutdown(cancel_futures=True)
        self.database.close()

    def registry(self, connection: Connection) -> Registry:
        """The registry as it is in this view of the ledger. In the SQL thread only."""
        known = self._registry
        if known is None or known.generation != registry.generation(connection):
            known = self._registry = Registry.load(connection)
        return known

    def now(self) -> datetime:
        """The time of day."""
        return self.clock.now()

    async def read(self, ask: Callable[[Connection], T]) -> T:
        """Run `ask` in a consistent view of the ledger. Raises StoreUnavailable."""

        def run() -> T:
            with self.database.read() as connection:
                return ask(connection)

        return await self._in_thread(self._sql, run)

    async def write(self, act: Callable[[Transaction], T]) -> T:
        """Run `act` in a transaction, whole or not at all. Raises StoreUnavailable."""

        def run() -> T:
            with self.database.write() as tx:
                return act(tx)

        return await self._in_thread(self._sql, run)

    async def do(self, act: Callable[[], T]) -> T:
        """Run `act`, which opens its own transactions, in the SQL thread."""
        return await self._in_thread(self._sql, act)

    async def wait(self, position: int, timeout_s: float) -> bool:
        """Whether the journal goes on after `position` within `timeout_s` seconds."""
        return await self._in_thread(self._waiter, lambda: self.database.wait(position, timeout_s))

    async def _in_thread(self, thread: ThreadPoolExecutor, run: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, run)
