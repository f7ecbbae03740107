"""The agent's connection to the broker: what the network thread says is said again in the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from chirpstack_api import gw

from edge import downlinks
from edge.settings import EdgeSettings
from khaen import log, priority, receipt, status, topics
from khaen.clock import Clock, format_time
from khaen.errors import WireError
from khaen.mqtt import Answer, Client, Connect, Handlers, Message, Session, Will
from khaen.priority import PriorityList
from khaen.receipt import Receipt
from khaen.status import GatewayStatus

_log = log.logger()
_USER_TIMEOUT_MS = 5000
"""The kernel holds no bytes for longer, so that no live frame grows old in it (docs/wire.md)."""
_STOP_S = 1.0


class Hear(Protocol):
    """Takes a status."""

    def __call__(self, status: GatewayStatus, /, *, retained: bool) -> None:
        """One came; a retained one may be from another time."""


@dataclass(slots=True, kw_only=True)
class Listeners:
    """What is called in the loop's thread."""

    connected: Callable[[], None] = lambda: None
    disconnected: Callable[[str], None] = lambda _reason: None
    answered: Callable[[int, int, Answer], None] = lambda _connection, _mid, _answer: None
    receipt: Callable[[Receipt, bool], None] = lambda _receipt, _retained: None
    priority: Callable[[PriorityList], None] = lambda _wanted: None
    down: Callable[[gw.DownlinkFrame], None] = lambda _frame: None
    configuration: Callable[[bytes], None] = lambda _payload: None
    status: Hear = lambda _status, *, retained: None  # noqa: ARG005
    """A status of this gateway, our own among them."""
    refused: Callable[[str], None] = lambda _reason: None
    """A message that could not be read, by reason."""


class Broker:
    """Connects for ever; clean start, last will, and the retained `state/conn`."""

    def __init__(
        self,
        settings: EdgeSettings,
        listeners: Listeners,
        clock: Clock,
        connect: Connect = Client,
    ) -> None:
        self._gateway, self._encoding = settings.gateway_eui, settings.encoding
        self._listeners, self._clock = listeners, clock
        self._conn_topic = topics.conn(settings.region, self._gateway)
        self._receipt_topic = topics.receipt(self._gateway)
        self._down_topic = topics.down(settings.region, self._gateway)
        self._status_topic = topics.status(self._gateway)
        self._configuration_topic = topics.configuration(self._gateway)
        obeyed = (self._configuration_topic,) if settings.remote.enabled else ()
        self._loop = asyncio.get_running_loop()
        self.state = "not connected"
        """`connected since …` or why not."""
        self.client = connect(
            settings.mqtt,
            Session(
                client_id=f"khaen-edge-{self._gateway}",
                subscriptions=(self._receipt_topic, topics.PRIORITY, self._down_topic, *obeyed),
                hopes=(self._status_topic,),
                window=settings.forward.window,
                user_timeout=_USER_TIMEOUT_MS,
                will=Will(topic=self._conn_topic, payload=self._conn(gw.ConnState.OFFLINE)),
            ),
            Handlers(
                message=self._on_message,
                connected=lambda: self._tell(self._connected),
                disconnected=lambda reason: self._tell(self._disconnected, reason),
                published=lambda *answer: self._tell(self._listeners.answered, *answer),
            ),
        )

    def _conn(self, state: Any) -> bytes:
        return self._encoding.render(gw.ConnState(gateway_id=self._gateway, state=state))

    # -- the network thread -------------------------------------------------

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(what, *arguments)

    def _on_message(self, message: Message) -> None:
        # Nothing is lost by acknowledging at once: receipts and the list are retained and said
        # again, and a command that comes again comes too late.
        self.client.ack(message)
        try:
            if message.topic == self._receipt_topic:
                said = receipt.parse(message.payload)
                self._tell(self._listeners.receipt, said, message.retain)
            elif message.topic == topics.PRIORITY:
                self._tell(self._listeners.priority, priority.parse(message.payload))
            elif message.topic == self._down_topic:
                self._tell(self._listeners.down, self._command(message))
            elif message.topic == self._status_topic:
                told = status.parse(message.payload)
                self._tell(partial(self._listeners.status, told, retained=message.retain))
            elif message.topic == self._configuration_topic:
                self._tell(self._listeners.configuration, message.payload)
        except WireError as error:
            self._tell(self._listeners.refused, error.reason)

    def _command(self, message: Message) -> gw.DownlinkFrame:
        """Raises WireError: a retained command is of another time, and is never transmitted."""
        if message.retain:
            raise WireError("retained_command", message.topic)
        return downlinks.parse(self._gateway, message.payload)

    # -- the loop's thread --------------------------------------------------

    def _connected(self) -> None:
        self.state = f"connected since {format_time(self._clock.now())}"
        self.client.publish(self._conn_topic, self._conn(gw.ConnState.ONLINE), retain=True)
        self._listeners.connected()

    def _disconnected(self, reason: str) -> None:
        self.state = f"not connected: {reason}"
        self._listeners.disconnected(reason)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: float | None = None,
        within: float | None = None,
    ) -> tuple[int, int] | None:
        """Hand a message to the present connection: its (connection, mid), or None."""
        return self.client.publish(
            topic, payload, qos=qos, retain=retain, expiry=expiry, within=within
        )

    @property
    def largest(self) -> int:
        """Bytes of topic and payload together that the broker takes in one message."""
        return self.client.largest

    def drop(self) -> None:
        """Make the connection anew."""
        self.client.drop()

    def renew(self) -> None:
        """Leave in good order, and connect again with files that were renewed."""
        self.client.renew()

    async def stop(self) -> None:
        """Say OFFLINE and leave in good order."""
        self.client.publish(self._conn_topic, self._conn(gw.ConnState.OFFLINE), retain=True)
        await asyncio.to_thread(self.client.stop, _STOP_S)
        await asyncio.sleep(0)
