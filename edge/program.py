"""The agent as one program: sinks start before sources and stop after them."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from pathlib import Path
from typing import Any

from chirpstack_api import gw

from edge import heartbeat
from edge.broker import Broker, Listeners
from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import Downlinks
from edge.forwarder import Forwarder
from edge.host import Host
from edge.intake import Intake
from edge.metrics import Metrics
from edge.outbox import Outbox
from edge.settings import EdgeSettings
from edge.sources.semtech_udp import SemtechUdp, listen
from edge.status import Status
from edge.warnings import Warnings
from edge.writer import Writer
from khaen import log, priority, ready, topics
from khaen.clock import Clock, SystemClock
from khaen.errors import NotRunnable, StoreUnavailable, WireError
from khaen.mqtt import Answer, Client, Connect
from khaen.priority import PriorityList
from khaen.receipt import Receipt
from khaen.uplink import Origin

_log = log.logger()
_PRIORITY = "priority"
_KEEP_EVERY_S = 60.0


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
    ) -> None:
        self._settings = settings
        self.counts = Counts()
        self._dating = Dating(clock, host, trust=settings.trust_clock)
        self._outbox = Outbox(
            settings.outbox.path,
            gateway=settings.gateway_eui,
            origin=Origin.SIMULATED if settings.simulated else Origin.RADIO,
            clock=clock,
            host=host,
            dating=self._dating,
            bounds=settings.outbox.bounds(),
        )
        self._writer = writer(self._outbox, limit=settings.outbox.queue)
        self._broker = Broker(settings, self._listen(), clock, connect)
        self._forwarder = Forwarder(
            settings, self._writer, self._broker, self._dating, clock, self.counts, Warnings()
        )
        self._intake = Intake(
            settings, self._writer, self._forwarder, self._dating, clock, self.counts
        )
        self._status = Status(
            settings,
            self._writer,
            self._broker,
            self._intake,
            self._dating,
            clock,
            host,
            self.counts,
        )
        self._downlinks = Downlinks(
            settings.gateway_eui,
            self._transmit,
            self._publish_ack,
            self._dating,
            clock,
            self.counts,
        )
        self.source = SemtechUdp(
            settings.gateway_eui,
            self._intake,
            self._publish_stats,
            self._downlinks,
            clock,
            self.counts,
        )
        self._metrics = Metrics(self.counts.registry, lambda: not self._outbox.volatile)

    def _listen(self) -> Listeners:
        return Listeners(
            connected=self._connected,
            disconnected=self._disconnected,
            answered=self._answered,
            receipt=self._receive,
            priority=self._prefer,
            down=self._send_down,
            refused=lambda reason: self.counts.refused.labels(reason=reason).inc(),
        )

    # -- what the broker says -----------------------------------------------

    def _connected(self) -> None:
        self.counts.connected.set(1)
        self._forwarder.connect()
        self._status.tell()

    def _disconnected(self) -> None:
        self.counts.connected.set(0)
        self._forwarder.disconnect()

    def _answered(self, connection: int, mid: int, answer: Answer) -> None:
        self._forwarder.answered(connection, mid, answer)

    def _receive(self, receipt: Receipt) -> None:
        if receipt.site == self._settings.site:
            self._status.last_receipt = receipt.at
        self._forwarder.receive(receipt)

    def _prefer(self, wanted: PriorityList) -> None:
        if wanted != self._intake.wanted:
            self._intake.wanted = wanted
            self._submit(partial(self._outbox.keep, _PRIORITY, wanted.model_dump_json()))

    def _send_down(self, frame: gw.DownlinkFrame) -> None:
        self._downlinks.take(frame)

    def _transmit(self, token: int, packet: dict[str, Any]) -> bool:
        return self.source.transmit(token, packet)

    def _submit(self, job: partial[None]) -> None:
        try:
            self._writer.post(job)
        except StoreUnavailable:
            self.counts.refused.labels(reason="outbox_busy").inc()

    def _publish_stats(self, stats: gw.GatewayStats) -> None:
        topic = topics.stats(self._settings.region, self._settings.gateway_eui)
        self._broker.publish(topic, stats.SerializeToString(), qos=0)

    def _publish_ack(self, ack: gw.DownlinkTxAck) -> None:
        topic = topics.ack(self._settings.region, self._settings.gateway_eui)
        self._broker.publish(topic, ack.SerializeToString())

    # -- life ---------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises NotRunnable when it cannot start."""
        await self.live(stop, self._open())

    async def live(self, stop: asyncio.Event, sources: AbstractAsyncContextManager[None]) -> None:
        """Run until `stop` is set, hearing what comes within `sources`, which are left first."""
        try:
            await self._recall()
            self._broker.client.start()
            try:
                await self._work(stop, sources)
            finally:
                await self._broker.stop()
        finally:
            await self._writer.close()
            _log.info("agent_stopped", gateway=self._settings.gateway_eui)

    async def _recall(self) -> None:
        """Take the last priority list from the disk."""
        kept = await self._writer.submit(partial(self._outbox.fact, _PRIORITY))
        if kept is not None:
            try:
                self._intake.wanted = priority.parse(kept.encode())
            except WireError as error:
                _log.warning("priority_list_unreadable", reason=error.reason)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """The sockets of this agent: where it is asked how it is, and where it hears the radio."""
        settings = self._settings
        try:
            metrics_port = await self._metrics.start(settings.metrics_port)
            transport = await listen(self.source, settings.udp.host, settings.udp.port)
            try:
                host, port = transport.get_extra_info("sockname")[:2]
                self._announce(f"{host}:{port}", metrics_port)
                yield
            finally:
                transport.close()
        finally:
            await self._metrics.stop()

    def _announce(self, udp: str, metrics_port: int) -> None:
        settings = self._settings
        _log.info(
            "agent_started",
            gateway=settings.gateway_eui,
            udp=udp,
            mqtt=f"{settings.mqtt.host}:{settings.mqtt.port}",
            metrics=metrics_port,
        )
        ready.announce(
            "edge",
            gateway=settings.gateway_eui,
            udp=udp,
            metrics=f"http://127.0.0.1:{metrics_port}/metrics",
        )

    async def _work(self, stop: asyncio.Event, sources: AbstractAsyncContextManager[None]) -> None:
        settings = self._settings
        async with AsyncExitStack() as hearing:
            await hearing.enter_async_context(sources)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._forwarder.run(), name="forwarder"),
                    group.create_task(
                        heartbeat.beat(self._intake, settings.heartbeat_s), name="heartbeat"
                    ),
                    group.create_task(self._status.run(), name="status"),
                    group.create_task(self._tell_drained(), name="drained"),
                    group.create_task(self._keep_house(), name="housekeeping"),
                ]
                await stop.wait()
                await hearing.aclose()
                for task in tasks:
                    task.cancel()

    async def _tell_drained(self) -> None:
        while True:
            await self._forwarder.drained.wait()
            self._forwarder.drained.clear()
            self._status.tell()

    async def _keep_house(self) -> None:
        """Forget what was held long enough; keep the boot's time for frames dated afterwards."""
        while True:
            try:
                while await self._writer.submit(self._outbox.prune, patience=1.0):
                    pass
                if (offset := self._dating.offsets.get(self._dating.boot_id)) is not None:
                    await self._writer.submit(
                        partial(self._outbox.learn_boot, self._dating.boot_id, offset),
                        patience=1.0,
                    )
            except StoreUnavailable:
                _log.info("housekeeping_postponed")
            await asyncio.sleep(_KEEP_EVERY_S)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Be the only agent of this outbox. Raises NotRunnable when there is another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        # A disk that refuses is no reason to stay deaf: the volatile epoch takes over.
        _log.warning("outbox_not_locked", path=str(path), error=error.strerror)
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotRunnable(f"{path}: another agent uses this outbox; stop it first") from error
        yield


async def run(settings: EdgeSettings) -> None:
    """Run an agent until SIGTERM or SIGINT. Raises NotRunnable and SettingsError."""
    settings.mqtt.password()  # a file that is not there is said now, not in a thread
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with hold(settings.outbox.path):
        await Program(settings, SystemClock(), Host()).run(stop)
