"""Events of a network server that runs on the gateway itself, from the broker beside it.

ChirpStack's MQTT integration publishes them per device. The session at that broker outlives the
agent, and an event is acknowledged there once it is on disk here, or committed at the other end. An
event that cannot be read is kept like any other: whoever reads it at the other end says why. What
the session kept for us is as old as its event says, and is not told as live. With
the integration's default, QoS 0, nothing is ever sent twice: `qos = 1` there makes it whole.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

from chirpstack_api import gw, integration
from google.protobuf.message import DecodeError

from edge import upkeep
from edge.counts import Counts
from edge.intake import Intake
from edge.outbox.outbox import Stored
from edge.outbox.writer import Writer
from edge.record import Arrival
from edge.source_settings import NetworkServerSettings
from edge.warnings import Warnings
from khaen import log, topics
from khaen.clock import parse_time
from khaen.errors import StoreUnavailable, WireError
from khaen.ids import DevAddr, GatewayEui, parse_dev_addr
from khaen.mqtt import Client, Handlers, Message, Session
from khaen.priority import PriorityList
from khaen.topics import ApplicationTopic
from khaen.uplink import Kind, Number

_log = log.logger()
EVENTS: Final = {
    "up": integration.UplinkEvent,
    "join": integration.JoinEvent,
    "ack": integration.AckEvent,
    "txack": integration.TxAckEvent,
    "status": integration.StatusEvent,
    "log": integration.LogEvent,
    "location": integration.LocationEvent,
}
"""ChirpStack v4's events about a device."""
MOST_BYTES: Final = 65_536
"""Of an event: one with the receptions of many gateways has a few thousand."""
AWAY: Final = "network_server_away"
"""The warning while its broker cannot be reached."""
_WINDOW: Final = 64
_EXPIRY_S: Final = 7 * 86_400
_HOLD_S: Final = 20.0
_LOOK_S: Final = 5.0
"""The outbox tries a disk that refused as often."""
_STOP_S: Final = 2.0
_PAUSE_S: Final = 1.0
"""A broker sends what it kept without pause, from the connection's first moment on."""


class Gateway(Protocol):
    """What this source needs of an `edge.station.Station`."""

    intake: Intake
    writer: Writer
    counts: Counts
    warnings: Warnings

    @property
    def gateway(self) -> GatewayEui:
        """Who it is."""


def is_priority(topic: ApplicationTopic, payload: bytes, wanted: PriorityList | None) -> bool:
    """Whether an event goes first; before any list has come, everything does."""
    if wanted is None or topic.event == "join":
        return True
    sender = _sender(payload) if topic.event == "up" else None
    return sender is not None and wanted.covers(*sender)


def _sender(payload: bytes) -> tuple[DevAddr, int] | None:
    """Address and port of an `up` event, in JSON or protobuf; None where it does not say."""
    try:
        if payload[:1] == b"{":
            document = json.loads(payload)
            return parse_dev_addr(str(document.get("devAddr"))), int(document.get("fPort", 0))
        event = integration.UplinkEvent.FromString(payload)
        return parse_dev_addr(event.dev_addr), event.f_port
    except (ValueError, TypeError, OverflowError, RecursionError, DecodeError):
        return None


def find_time(event: str, payload: bytes) -> datetime | None:
    """When the network server heard what an event tells of; None where it does not say."""
    try:
        if payload[:1] == b"{":
            return parse_time(str(json.loads(payload).get("time")))
        said = EVENTS[event].FromString(payload)
        return said.time.ToDatetime(tzinfo=UTC) if said.HasField("time") else None
    except (ValueError, OverflowError, RecursionError, DecodeError):
        return None


class NetworkServer:
    """Made and used in the loop's thread, but for `_receive`, which runs in the client's."""

    def __init__(self, settings: NetworkServerSettings, station: Gateway) -> None:
        self._station, self._counts = station, station.counts
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(_WINDOW)
        self._closing = False
        self._storing: set[asyncio.Future[Stored]] = set()
        self._owed: dict[Number, Message] = {}
        self._generation = station.writer.outbox.generation
        self._owes = asyncio.Event()
        self._catching_up, self._last = True, self._loop.time()
        self._client = Client(
            settings,
            Session(
                client_id=f"khaen-edge-{station.gateway}-events",
                subscriptions=settings.topics,
                expiry=_EXPIRY_S,
                window=_WINDOW,
            ),
            Handlers(
                message=self._receive,
                connected=self._connected,
                disconnected=lambda _reason: self._tell(away=True),
            ),
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear until it is left; what is on its way to the disk then is still acknowledged."""
        self._client.start()
        try:
            async with upkeep.running({"network server's debts": self._settle_debts}):
                yield
        finally:
            self._closing = True
            self._room.release()  # the client's thread may wait for it
            if self._storing:
                await asyncio.wait(self._storing, timeout=_STOP_S)
            await asyncio.to_thread(self._client.stop, _STOP_S)
            self._station.warnings.discard(AWAY)

    def _connected(self) -> None:
        self._tell(away=False)
        if not self._closing:
            self._loop.call_soon_threadsafe(self._catch_up)

    def _catch_up(self) -> None:
        self._catching_up, self._last = True, self._loop.time()

    def _tell(self, *, away: bool) -> None:
        if not self._closing:
            self._loop.call_soon_threadsafe(partial(self._station.warnings.put, AWAY, present=away))

    def _receive(self, message: Message) -> None:
        """Hand a message to the loop. Waiting here holds the broker back."""
        free = self._room.acquire(timeout=_HOLD_S)
        if self._closing:
            self._room.release()  # not acknowledged, it comes again
        elif free:
            self._loop.call_soon_threadsafe(self._take, message)
        else:
            self._refuse("outbox_busy")
            self._client.drop()

    def _refuse(self, reason: str) -> None:
        self._counts.refused.labels(reason=reason).inc()

    def _take(self, message: Message) -> None:
        try:
            future = self._station.intake.store([self._hear(message)])
        except WireError as error:
            self._refuse(error.reason)
            self._client.ack(message)  # it would be as wrong the next time
            self._room.release()
        except StoreUnavailable:
            self._refuse("outbox_busy")
            self._owes.set()
            self._room.release()
        else:
            self._storing.add(future)
            future.add_done_callback(partial(self._stored, message))

    def _hear(self, message: Message) -> Arrival:
        """Raises WireError for what no `application` record could be."""
        topic = topics.parse(message.topic)
        if not isinstance(topic, ApplicationTopic) or topic.event not in EVENTS:
            raise WireError("unknown_event", message.topic[:80])
        if len(message.payload) > MOST_BYTES:
            raise WireError("event_too_long", f"{len(message.payload)} bytes")
        now, intake = self._loop.time(), self._station.intake
        self._catching_up &= now - self._last <= _PAUSE_S
        self._last = now
        return intake.hear_message(
            Kind.APPLICATION,
            gw.UplinkFrame(phy_payload=message.payload),
            priority=is_priority(topic, message.payload, intake.wanted),
            topic=message.topic,
            since=find_time(topic.event, message.payload) if self._catching_up else None,
        )

    def _stored(self, message: Message, future: asyncio.Future[Stored]) -> None:
        self._storing.discard(future)
        self._room.release()
        if future.cancelled() or future.exception() is not None:
            self._owes.set()
            return
        stored = future.result()
        if stored.durable:
            self._client.ack(message)
            return
        self._refuse("not_durable")
        self._generation = stored.generation
        if message.qos and len(self._owed) < _WINDOW:
            self._owed[stored.records[0].number] = message
        self._owes.set()

    async def _settle_debts(self) -> None:
        """Acknowledge what was only in memory once it is settled by a receipt: an alarm must not
        stay at the broker behind it. Once the disk takes again, have all of it sent again.
        """
        outbox = self._station.writer.outbox
        while True:
            await self._owes.wait()
            await asyncio.sleep(_LOOK_S)
            if outbox.volatile and outbox.generation == self._generation:
                await self._acknowledge_settled()
            else:
                self._owes.clear()
                self._owed.clear()
                self._client.drop()
                _log.info("events_asked_for_again", gateway=self._station.gateway)

    async def _acknowledge_settled(self) -> None:
        owed, writer = dict(self._owed), self._station.writer
        try:
            left = await writer.submit(partial(writer.outbox.fetch, list(owed)), patience=0.1)
        except StoreUnavailable:
            return
        for number in owed.keys() - {record.number for record in left}:
            self._client.ack(self._owed.pop(number))
