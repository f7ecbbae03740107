"""The alarm program: wakes rules, runs plans, hands calls to channels, watches over gateways.

Everything that it must do is a row, so that it can be killed at any moment, and two of it can run
beside each other.
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Awaitable, Callable
from functools import partial

from alarms import delivery, engine, firing
from alarms.channel import channels
from alarms.delivery import Job
from alarms.desk import Desk
from alarms.probe import serve
from alarms.watch import Watch
from khaen.backoff import Backoff
from khaen.errors import StoreUnavailable
from khaen.log import logger
from khaen.ready import announce
from khaen.settings import Settings
from store import journal, liveness, migrate, notifications, timers
from store.database import Transaction

PROGRAM = "alarms"
WAIT_S = 0.5
"""How long one wait for the journal may last: a stop waits for it."""
BREATH_S = 0.05
"""Between two looks while what is due is being worked on."""
GATHER_S = 0.01
"""A busy ingest changes the ledger hundreds of times a second; one look serves them all."""
PULSE_S = 15.0
"""A part that has not come round for this long is ill."""

_log = logger()


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises NotRunnable, SettingsError."""
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    channels(), engine.rules()  # what is wrong with one of them is said at start
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    desk = Desk(settings)
    try:
        await desk.do(lambda: migrate.upgrade(desk.database))
        program = Program(desk)
        port = settings.alarms.metrics_port
        async with (
            serve(port, desk.counts.registry, program.ill) as url,
            asyncio.TaskGroup() as group,
        ):
            program.start(group)
            announce(PROGRAM, metrics=url)
            await stop.wait()
            program.stop()
        await program.release()
    finally:
        desk.close()


class Program:
    """The parts, each a task that goes on whatever befalls it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watch = Watch(desk)
        self._since = desk.now()
        self._pulse: dict[str, float] = {}
        self._parts: list[asyncio.Task[None]] = []
        self._sends: set[asyncio.Task[None]] = set()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start all parts; the group holds them and the calls that they make."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "follower": self._follow,
            "timers": self._fire,
            "delivery": partial(self._deliver, group),
            "watch": self._look,
            "liveness": self._beat,
        }
        for name, part in parts.items():
            self._pulse[name] = self._desk.clock.monotonic()
            self._parts.append(group.create_task(self._keep(name, part), name=name))

    def stop(self) -> None:
        """End all parts, and the calls that are being made."""
        for task in (*self._parts, *self._sends):
            task.cancel()

    def ill(self) -> list[str]:
        """The parts that have not come round for too long."""
        now = self._desk.clock.monotonic()
        return sorted(name for name, at in self._pulse.items() if now - at > PULSE_S)

    async def release(self) -> None:
        """Give back what this program has claimed, so that another goes on at once."""

        def give_back(tx: Transaction) -> None:
            timers.release(tx, by=self._desk.id)
            notifications.release(tx, by=self._desk.id)

        try:
            await self._desk.write(give_back)
        except StoreUnavailable as error:
            _log.warning("leases_kept", error=str(error))

    async def _keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(cap=5.0)
        while True:
            if await self._guard(name, part()):
                backoff.reset()
                self._pulse[name] = self._desk.clock.monotonic()
            else:
                await asyncio.sleep(backoff.next())

    async def _guard(self, name: str, work: Awaitable[None]) -> bool:
        """The outermost border of every task: False when the work failed."""
        try:
            await work
        except StoreUnavailable as error:
            _log.warning("store_unavailable", part=name, error=str(error))
        except Exception as error:  # noqa: BLE001 - one call or part that fails stops no other
            # Where, not what: the text of an error may hold an address or a row.
            *_, last = traceback.extract_tb(error.__traceback__)
            where = f"{last.filename}:{last.lineno}"
            _log.error("part_failed", part=name, error=type(error).__name__, where=where)
        else:
            return True
        self._desk.counts.errors.labels(name).inc()
        return False

    async def _follow(self) -> None:
        """Wait for the ledger to change or for something to be due, and wake who must act."""
        now = self._desk.now()
        position, calls, due = await self._desk.read(
            lambda connection: (
                journal.head(connection),
                notifications.next_due(connection),
                timers.next_due(connection, now),
            )
        )
        wait_s = WAIT_S
        for at, event in ((calls, self._desk.calls_due), (due, self._desk.timers_due)):
            if at is not None and at <= now:
                event.set()
                wait_s = min(wait_s, BREATH_S)
            elif at is not None:
                wait_s = min(wait_s, (at - now).total_seconds())
        await self._desk.wait(position, wait_s)
        await asyncio.sleep(GATHER_S)

    async def _fire(self) -> None:
        """Act on due timers, each by itself, so that none keeps another."""
        await self._await(self._desk.timers_due)
        claimed = await self._desk.write(partial(firing.claim, self._desk))
        for timer in claimed:
            await self._guard("timer", self._desk.write(partial(firing.fire, self._desk, timer)))
        if claimed:
            self._desk.calls_due.set()
            self._desk.timers_due.set()

    async def _deliver(self, group: asyncio.TaskGroup) -> None:
        """Hand what is due to the channels, so many at once."""
        await self._await(self._desk.calls_due)
        free = delivery.AT_ONCE - len(self._sends)
        for job in await self._desk.write(partial(delivery.claim, self._desk, free)):
            send = group.create_task(self._send(job), name=f"call {job.entry.id}")
            self._sends.add(send)
            send.add_done_callback(self._end_send)

    def _end_send(self, send: asyncio.Task[None]) -> None:
        self._sends.discard(send)
        self._desk.calls_due.set()

    async def _send(self, job: Job) -> None:
        await self._guard("call", delivery.deliver(self._desk, job))

    async def _look(self) -> None:
        await self._desk.do(self._watch.look)
        await asyncio.sleep(self._watch.interval_s())

    async def _beat(self) -> None:
        name = self._desk.settings.alarms.name
        program = liveness.ALARMS if name == "main" else f"{liveness.ALARMS}-{name}"
        if self.ill():
            self._since = self._desk.now()
        else:
            await self._desk.write(lambda tx: liveness.beat(tx, program, self._since))
        await asyncio.sleep(liveness.BEAT_S)

    async def _await(self, event: asyncio.Event) -> None:
        """Until the event, or a while: a part shows that it lives."""
        try:
            async with asyncio.timeout(PULSE_S / 3):
                await event.wait()
        except TimeoutError:
            return
        event.clear()
