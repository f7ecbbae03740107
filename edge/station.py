"""One gateway behind the agent: what its sources say goes to disk and on to its own connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from chirpstack_api import gw

from edge import heartbeat
from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import Downlinks, Transmit, Transmitter
from edge.forwarding.broker import Broker, Listeners
from edge.forwarding.forwarder import Forwarder
from edge.forwarding.renewal import Renewal
from edge.forwarding.rivals import Rivals
from edge.health.status import Status
from edge.health.vitals import Vitals
from edge.host import Host
from edge.intake import Intake
from edge.outbox.writer import Writer
from edge.settings import EdgeSettings
from edge.warnings import Warnings
from khaen import log, priority, topics
from khaen.clock import Clock
from khaen.errors import StoreUnavailable, WireError
from khaen.ids import GatewayEui
from khaen.mqtt import Answer, Connect
from khaen.priority import PriorityList
from khaen.receipt import Receipt
from khaen.status import GatewayStatus

_log = log.logger()
_PRIORITY = "priority"
_KEEP_EVERY_S = 60.0
_REST_S, _STEP_S = 1.0, 0.1
"""Housekeeping takes part in a write of others where there is one; what is much goes on sooner."""
_BUSY_S = 0.05


class Remote(Protocol):
    """Who decides what the agent runs on; nobody, where that is not asked for."""

    def take(self, payload: bytes) -> None:
        """A document came."""

    def tell(self) -> None:
        """Say what became of the last one."""


class Station:
    """All of a gateway but what lasts, its `writer`. `settings` are its own, as of one gateway."""

    def __init__(
        self,
        settings: EdgeSettings,
        writer: Writer,
        dating: Dating,
        clock: Clock,
        host: Host,
        counts: Counts,
        connect: Connect,
        *,
        configuration: str,
        remote: Remote | None = None,
    ) -> None:
        self.settings, self.writer, self.counts = settings, writer, counts
        self.dating, self.clock, self._remote = dating, clock, remote
        self.warnings, self._trace = Warnings(), counts.traces[settings.gateway_eui]
        self._shed = writer.outbox.shed
        self.rivals = Rivals(settings.gateway_eui, self.warnings, clock)
        self.broker = Broker(settings, self._listen(), clock, connect)
        self.renewal = Renewal(settings.mqtt, self.broker.renew, self.warnings, clock)
        self.forwarder = Forwarder(
            settings, writer, self.broker, dating, clock, counts, self.warnings
        )
        self.intake = Intake(settings, writer, self.forwarder, dating, clock, counts)
        self.vitals = Vitals(
            settings,
            writer,
            self.broker,
            dating,
            clock,
            host,
            counts,
            self.warnings,
            configuration=configuration,
        )
        self.status = Status(settings, self.vitals, self.broker, self.rivals)
        self.warnings.listener = self.status.tell
        self.way_down: Transmit = lambda _token, _packet: False
        """The way to a packet forwarder, set by the source that knows one."""
        self.downlinks = Downlinks(
            self.gateway, self._transmit, self.publish_ack, dating, clock, counts
        )
        self.transmitter: Transmitter = self.downlinks
        """Who takes downlinks; a source that takes whole ones sets itself here."""

    @property
    def gateway(self) -> GatewayEui:
        """Who it is."""
        return self.settings.gateway_eui

    def _listen(self) -> Listeners:
        return Listeners(
            connected=self._connected,
            disconnected=self._disconnected,
            answered=self._answered,
            receipt=self._receive,
            priority=self._prefer,
            down=self._send_down,
            configuration=self._configure,
            status=self._hear_status,
            refused=lambda reason: self.counts.refused.labels(reason=reason).inc(),
        )

    # -- what the broker says -----------------------------------------------

    def _connected(self) -> None:
        self._trace.connected = self.clock.monotonic()
        self.forwarder.connect()
        self.status.tell()
        if self._remote is not None:
            self._remote.tell()

    def _disconnected(self, reason: str) -> None:
        self._trace.connected = None
        self.forwarder.disconnect()
        self.rivals.lose(reason)

    def _answered(self, connection: int, mid: int, answer: Answer) -> None:
        self.forwarder.answered(connection, mid, answer)

    def _hear_status(self, said: GatewayStatus, *, retained: bool) -> None:
        self.rivals.hear(said, retained=retained)

    def _configure(self, payload: bytes) -> None:
        if self._remote is not None:
            self._remote.take(payload)

    def _send_down(self, frame: gw.DownlinkFrame) -> None:
        self.transmitter.take(frame)

    def _receive(self, receipt: Receipt, retained: bool) -> None:
        if receipt.site == self.settings.site:
            self._trace.receipt, self._trace.receipted = receipt.at, self.clock.monotonic()
        self.forwarder.receive(receipt, retained=retained)

    def _prefer(self, wanted: PriorityList) -> None:
        if wanted != self.intake.wanted:
            self.intake.wanted = wanted
            self._keep(partial(self.writer.outbox.keep, _PRIORITY, wanted.model_dump_json()))

    def _keep(self, job: Callable[[], None]) -> None:
        try:
            self.writer.post(job)
        except StoreUnavailable:
            self.counts.refused.labels(reason="outbox_busy").inc()

    # -- what sources say ---------------------------------------------------

    def _transmit(self, token: int, packet: dict[str, Any]) -> bool:
        return self.way_down(token, packet)

    def publish_stats(self, stats: gw.GatewayStats) -> None:
        """Say what the concentrator counted."""
        topic = topics.stats(self.settings.region, self.gateway)
        self.broker.publish(topic, self.settings.encoding.render(stats), qos=0)

    def publish_ack(self, ack: gw.DownlinkTxAck) -> None:
        """Say what became of a downlink."""
        topic = topics.ack(self.settings.region, self.gateway)
        self.broker.publish(topic, self.settings.encoding.render(ack))

    # -- life ---------------------------------------------------------------

    async def recall(self) -> None:
        """Take the last priority list from the disk."""
        kept = await self.writer.submit(partial(self.writer.outbox.fact, _PRIORITY))
        if kept is not None:
            try:
                self.intake.wanted = priority.parse(kept.encode())
            except WireError as error:
                _log.warning("priority_list_unreadable", reason=error.reason)

    def start(self) -> None:
        """Begin connecting."""
        self.broker.client.start()

    async def run(self) -> None:
        """Forward, beat, tell, look for renewed files and keep house, for ever."""
        async with asyncio.TaskGroup() as group:
            for name, part in {
                "forwarder": self.forwarder.run(),
                "heartbeat": heartbeat.beat(self.intake, self.settings.heartbeat_s),
                "status": self.status.run(),
                "drained": self._tell_drained(),
                "renewal": self.renewal.run(),
                "housekeeping": self._keep_house(),
            }.items():
                group.create_task(part, name=f"{name} {self.gateway}")

    async def stop(self) -> None:
        """Leave the broker in good order, once all that was heard is on disk and was offered."""
        while True:
            try:
                await self.writer.submit(lambda: None)
                break
            except StoreUnavailable:
                await asyncio.sleep(_BUSY_S)
        await self.broker.stop()

    async def _tell_drained(self) -> None:
        while True:
            await self.forwarder.drained.wait()
            self.forwarder.drained.clear()
            self.status.tell()

    async def _keep_house(self) -> None:
        """Have the outbox forget what was held long enough."""
        while True:
            try:
                patience = _REST_S
                while await self.writer.submit(self.writer.outbox.prune, patience=patience):
                    patience = _STEP_S
                self._tell_shed()
            except StoreUnavailable:
                _log.info("housekeeping_postponed")
            except Exception:  # noqa: BLE001 (the task's outermost border: frames come on)
                _log.exception("housekeeping_failed")
            await asyncio.sleep(_KEEP_EVERY_S)

    def _tell_shed(self) -> None:
        """Say that records had to leave without a receipt, and count them."""
        outbox, before = self.writer.outbox, self._shed
        self._shed = outbox.shed
        self.warnings.put("outbox_shedding", present=outbox.shedding)
        self.warnings.put("records_damaged", present=outbox.damaged > 0)
        self.counts.shed.labels(gateway=self.gateway).inc(self._shed - before)
