"""The agent as one program: what lasts is opened once, the rest anew for each set of settings."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from edge import sources, systemd
from edge.counts import Counts
from edge.dating import Dating
from edge.generation import Generation, Hear
from edge.health.metrics import Metrics
from edge.health.survey import Survey
from edge.host import Host
from edge.lock import hold
from edge.outbox.outbox import Outbox
from edge.outbox.owner import find_left
from edge.outbox.writer import Writer
from edge.semtech.port import Port
from edge.settings import EdgeSettings
from edge.station import Remote
from khaen import log, ready
from khaen.clock import Clock, SystemClock
from khaen.errors import NotRunnable, SettingsError
from khaen.ids import GatewayEui
from khaen.mqtt import Client, Connect
from khaen.uplink import Origin

_log = log.logger()

_FIXED: Final = ("simulated", "trust_clock", "metrics_port")
"""What is looked at once, when the agent starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Settings that somebody wants, and where he is told that the agent runs on them."""

    settings: EdgeSettings
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a gateway has whatever its settings: its outbox's thread, and the lock on the file."""

    writer: Writer
    path: Path
    lock: ExitStack

    async def close(self) -> None:
        await self.writer.close()
        self.lock.close()


class Program:
    """Everything of one agent, put together; made and run inside an event loop."""

    def __init__(
        self,
        settings: EdgeSettings,
        clock: Clock,
        host: Host,
        *,
        connect: Connect = Client,
        writer: Callable[..., Writer] = Writer,
        remote: Remote | None = None,
    ) -> None:
        self.settings = settings
        """Those it runs on."""
        self.counts = Counts(started=clock.monotonic())
        self.generation: Generation | None = None
        """What is made of the settings; None before it runs."""
        self._clock, self._host = clock, host
        self._connect, self._writer, self._remote = connect, writer, remote
        self._dating = Dating(clock, host, trust=settings.trust_clock)
        self._kept: dict[GatewayEui, _Kept] = {}
        self._port = Port()
        self._survey = Survey(lambda: self.generation, clock, host, self.counts)
        self._metrics = Metrics(self.counts.registry, self._survey)
        self._metrics_port = 0
        self._announced = False
        self._end = asyncio.Event()
        self._change: _Change | None = None

    # -- life ---------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises NotRunnable and SettingsError when it cannot start."""
        within_s = systemd.watchdog_s()
        alive = within_s and asyncio.create_task(
            systemd.stay_alive(self._survey.answer, within_s), name="watchdog"
        )
        try:
            self._metrics_port = await self._metrics.start(self.settings.metrics_port)
            await self.live(stop, self._hear)
        finally:
            systemd.notify(stopping=1)
            await self._metrics.stop()
            self._port.close()
            if alive:
                alive.cancel()

    async def live(self, stop: asyncio.Event, hear: Hear) -> None:
        """Run until `stop` is set; what `hear` opens for each generation is left first."""
        watch = asyncio.create_task(self._watch(stop), name="stop")
        try:
            while not stop.is_set():
                await self._live_once(hear)
        finally:
            watch.cancel()
            if self._change is not None:
                self._change.done.set_exception(NotRunnable("the agent stops"))
            for kept in self._kept.values():
                await kept.close()
            _log.info("agent_stopped", gateway=self.settings.gateway_eui)

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._end.set()

    async def _live_once(self, hear: Hear) -> None:
        """One generation, from its stations' start to their stop."""
        change, self._change = self._change, None
        self._end.clear()
        settings = self.settings if change is None else change.settings
        try:
            await self._keep(settings)
            generation = self._make(settings)
            await generation.run(self._end, hear(generation), partial(self._begin, change))
        except (NotRunnable, SettingsError) as error:
            if change is None or change.done.done():
                raise
            change.done.set_exception(error)

    # -- other settings -----------------------------------------------------

    async def apply(self, settings: EdgeSettings) -> None:
        """Go on with other settings; returns once they are in force and the radio is heard.

        The outboxes stay as they are, and so does the socket: what comes meanwhile waits in it.
        Raises NotRunnable and SettingsError when it cannot be; the former settings are then in
        force again. One call at a time.
        """
        check(settings)
        for own in settings.of_each():
            kept = self._kept.get(own.gateway_eui)
            if kept is not None and kept.path != own.outbox.path:
                raise NotRunnable(f"outbox.path {own.outbox.path}: restart the agent for that")
        for key in _FIXED:
            if getattr(settings, key) != getattr(self.settings, key):
                raise NotRunnable(f"{key}: restart the agent for that")
        if self._change is not None:
            raise NotRunnable("other settings are just coming into force")
        done = asyncio.get_running_loop().create_future()
        self._change = _Change(settings=settings, done=done)
        self._end.set()
        await asyncio.shield(done)  # whoever does not wait any more does not undo it

    def _begin(self, change: _Change | None) -> None:
        if change is not None:
            self.settings = change.settings
            change.done.set_result(None)
            _log.info("settings_applied", configuration=self.settings.fingerprint())

    async def _keep(self, settings: EdgeSettings) -> None:
        """Have an outbox open for each gateway, and no other."""
        wanted = {own.gateway_eui: own for own in settings.of_each()}
        for gateway, own in wanted.items():
            if (kept := self._kept.get(gateway)) is None:
                self._kept[gateway] = self._open(own)
            else:
                kept.writer.outbox.bounds = own.outbox.bounds()
        for gateway in self._kept.keys() - wanted.keys():
            await self._kept.pop(gateway).close()

    def _open(self, own: EdgeSettings) -> _Kept:
        lock = ExitStack()
        lock.enter_context(hold(own.outbox.path))
        outbox = Outbox(
            own.outbox.path,
            gateway=own.gateway_eui,
            origin=Origin.SIMULATED if own.simulated else Origin.RADIO,
            clock=self._clock,
            host=self._host,
            dating=self._dating,
            bounds=own.outbox.bounds(),
        )
        writer = self._writer(outbox, limit=own.outbox.queue)
        return _Kept(writer=writer, path=own.outbox.path, lock=lock)

    def _make(self, settings: EdgeSettings) -> Generation:
        self.generation = Generation(
            settings,
            {gateway: kept.writer for gateway, kept in self._kept.items()},
            self._dating,
            self._clock,
            self._host,
            self.counts,
            self._connect,
            self._remote,
        )
        left = find_left(settings.outbox.path, {kept.path for kept in self._kept.values()})
        self.generation.stations[settings.gateway_eui].warnings.put(
            "other_gateways_outbox", present=bool(left)
        )
        return self.generation

    # -- sources ------------------------------------------------------------

    @asynccontextmanager
    async def _hear(self, generation: Generation) -> AsyncIterator[None]:
        """All sources that the settings ask for."""
        udp = self._port.take(generation.settings.udp)
        async with sources.opened(generation, udp, self._port.pulls):
            if not self._announced:
                self._announce(udp)
            yield

    def _announce(self, udp: socket.socket | None) -> None:
        settings = self.settings
        self._announced = True
        systemd.notify(ready=1)
        address = "none" if udp is None else "{}:{}".format(*udp.getsockname()[:2])
        _log.info(
            "agent_started",
            gateway=settings.gateway_eui,
            gateways=len(self._kept),
            udp=address,
            mqtt=f"{settings.mqtt.host}:{settings.mqtt.port}",
            metrics=self._metrics_port,
        )
        ready.announce(
            "edge",
            gateway=settings.gateway_eui,
            udp=address,
            metrics=f"http://127.0.0.1:{self._metrics_port}/metrics",
        )


def check(settings: EdgeSettings) -> None:
    """Read what the connections need, as long as it can be said. Raises SettingsError."""
    beside = settings.network_server
    for broker in (*(own.mqtt for own in settings.of_each()), *((beside,) if beside else ())):
        broker.check_files()


Live = Callable[[Program, asyncio.Event], Awaitable[None]]


async def run(
    settings: EdgeSettings, *, remote: Remote | None = None, live: Live = Program.run
) -> None:
    """Run an agent until SIGTERM or SIGINT. Raises NotRunnable.

    Where there is a `remote`, `live` is what runs it beside the program.
    """
    try:
        check(settings)
    except SettingsError as error:
        # The radio is heard all the same: what it says is kept until the files are mended.
        _log.error("files_not_used", reason=str(error))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await live(Program(settings, SystemClock(), Host(), remote=remote), stop)
