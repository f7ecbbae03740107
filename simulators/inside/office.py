"""The alarm program's parts in a virtual world: the same timers, calls and watch, done when due.

The real program looks for what is due many times a second; here whatever changes the ledger wakes
it, and a look at the gateways comes each `look_s`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from alarms import delivery, firing
from alarms.channel import Channel, Message
from alarms.desk import Desk
from alarms.watch import Watch
from khaen.clock import Clock
from khaen.settings import AlarmSettings, LedgerSettings, Settings
from simulators.inside.ingest import VirtualIngest
from store import notifications, timers

LOOK_S: Final = 10.0
"""How often it looks at gateways, by itself; the real program does each 2 s."""


class _Silent(Channel):
    """A channel that takes whatever it is given: the ledger says what was told to whom."""

    safe = True
    addressed = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, message: Message, target: Sequence[str]) -> None:
        """Tell nobody."""
        del message, target


class Office:
    """Who acts on the ledger at `url`; `look_s` may be longer where hours pass without events."""

    def __init__(self, url: str, clock: Clock, ingest: VirtualIngest, *, look_s: float) -> None:
        settings = Settings(ledger=LedgerSettings(url=url), alarms=AlarmSettings(name="inside"))
        self.desk = Desk(settings, clock=clock)
        self._watch = Watch(self.desk)
        self._ingest, self._look_s = ingest, look_s
        self._changed = asyncio.Event()
        self._look_at = 0.0

    def close(self) -> None:
        """Close the ledger."""
        self.desk.close()

    def wake(self) -> None:
        """The ledger changed."""
        self._changed.set()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._changed.clear()
            self._look()
            while (wait := await self._wait_s()) <= 0:
                await self._work()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait, self._look_at - self.desk.clock.monotonic())):
                    await self._changed.wait()

    def _look(self) -> None:
        now = self.desk.clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._look_s
            self._ingest.beat()
            self._watch.look()

    async def _wait_s(self) -> float:
        """Seconds until a timer or a call is due; not positive where one is."""
        now = self.desk.now()
        dues = await self.desk.read(
            lambda connection: (
                timers.next_due(connection, now),
                notifications.next_due(connection),
            )
        )
        ahead = ((due - now).total_seconds() for due in dues if due is not None)
        return min(ahead, default=float("inf"))

    async def _work(self) -> None:
        """Act on the timers that are due, then make the calls that are."""
        for timer in await self.desk.write(partial(firing.claim, self.desk)):
            await self.desk.write(partial(firing.fire, self.desk, timer))
        jobs = await self.desk.write(partial(delivery.claim, self.desk, delivery.AT_ONCE))
        for job in jobs:
            channel = job.channel and _Silent(job.channel.name)
            await delivery.deliver(self.desk, replace(job, channel=channel))
