"""Two persistent MQTT sessions, live and backlog apart, and the bounded queue between them and us.

A message is acknowledged after its commit only. While the queue is full the network thread waits,
and so does the broker; after `hold_s` seconds the connection is closed on purpose and stays away
until the ledger takes frames again.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.item import Arrival
from khaen import log, topics
from khaen.clock import Clock
from khaen.mqtt import Client, Connect, Handlers, Message, MqttSettings, Session
from khaen.settings import IngestSettings
from khaen.uplink import Way

_log = log.logger()
EXPIRY_S = 7 * 86_400
"""How long the broker keeps our sessions while we are away."""
RUSH_S = 5.0
"""After connecting, what waited at the broker comes first: nothing is dated by its arrival."""
LIVE_FIRST = 8
"""Live messages taken for each one of the backlog while both wait."""


@dataclass(slots=True)
class Lane:
    """One session and what came by it; guarded by the subscriber's lock."""

    way: Way
    queue: deque[Arrival] = field(default_factory=deque)
    client: Client | None = None
    held: bool = False
    rush_ends: float = math.inf
    """Monotonic; the rush also lasts until the queue was empty once."""
    settled: bool = False

    def rush(self, until: float = math.inf) -> None:
        """What comes now may have waited at the broker."""
        self.settled, self.rush_ends = False, until


class Subscriber:
    """Takes messages from the broker and hands them over, live ones first."""

    def __init__(
        self,
        mqtt: MqttSettings,
        settings: IngestSettings,
        clock: Clock,
        connected: Callable[[], None] = lambda: None,
        connect: Connect = Client,
    ) -> None:
        self._settings, self._clock, self._connected = settings, clock, connected
        self._connect = connect
        self._changed = threading.Condition()
        self._stopping = False
        self._live_in_a_row = 0
        self._lanes = (Lane(Way.LIVE), Lane(Way.BACKLOG))
        live, backlog = self._lanes
        live.client = self._client(
            mqtt, live, (topics.GATEWAY_UP, topics.LIVE, topics.APPLICATION, topics.STATUS)
        )
        backlog.client = self._client(mqtt, backlog, (topics.BACKLOG,))

    def start(self) -> None:
        """Begin connecting; returns at once."""
        for client in self.clients():
            client.start()

    def stop(self) -> None:
        """Take no more messages, disconnect, and wait for the network threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for client in self.clients():
            client.stop()

    def clients(self) -> list[Client]:
        """The clients: live, backlog."""
        return [lane.client for lane in self._lanes if lane.client is not None]

    @property
    def connected(self) -> bool:
        """Whether every subscription is granted."""
        return all(client.connected for client in self.clients())

    @property
    def waiting(self) -> int:
        """How many messages wait here."""
        return sum(len(lane.queue) for lane in self._lanes)

    def take(self, timeout: float) -> Arrival | None:
        """The next message; None after `timeout` seconds without one, or at the end."""
        with self._changed:
            lane = self._next()
            if lane is None and timeout > 0 and not self._stopping:
                self._changed.wait(timeout)
                lane = self._next()
            if lane is None:
                return None
            arrival = lane.queue.popleft()
            if len(lane.queue) == self._settings.queue - 1:
                self._changed.notify_all()  # its network thread may wait for room
            return arrival

    def resume(self) -> None:
        """The ledger takes frames again: connections that were closed on purpose come back."""
        for lane in self._lanes:
            if lane.held and lane.client is not None:
                lane.held = False
                _log.info("subscription_resumed", way=lane.way.value)
                lane.client.resume()

    def _next(self) -> Lane | None:
        live, backlog = self._lanes
        if live.queue and (not backlog.queue or self._live_in_a_row < LIVE_FIRST):
            self._live_in_a_row += 1
            return live
        self._live_in_a_row = 0
        return backlog if backlog.queue else None

    def _client(self, mqtt: MqttSettings, lane: Lane, subscriptions: tuple[str, ...]) -> Client:
        def receive(message: Message) -> None:
            self._receive(lane, message)

        def connected() -> None:
            lane.rush(self._clock.monotonic() + RUSH_S)
            self._connected()

        def disconnected(_reason: str) -> None:
            # The broker sends what waited before it grants the subscription.
            lane.rush()

        return self._connect(
            mqtt,
            Session(
                client_id=f"khaen-ingest-{self._settings.name}-{lane.way.value}",
                subscriptions=subscriptions,
                expiry=EXPIRY_S,
                window=self._settings.window,
            ),
            Handlers(message=receive, connected=connected, disconnected=disconnected),
        )

    def _receive(self, lane: Lane, message: Message) -> None:
        now = self._clock.monotonic()
        with self._changed:
            if lane.held:
                return  # what the closed connection had left; the broker sends it again
            if not lane.settled and not lane.queue and now >= lane.rush_ends:
                lane.settled = True
            arrival = Arrival(message, self._clock.now(), lane.way, lane.settled, lane.client)
            if len(lane.queue) >= self._settings.queue and not self._wait_for_room(lane):
                self._drop(lane)
                return
            lane.queue.append(arrival)
            if len(lane.queue) == 1:
                self._changed.notify_all()

    def _wait_for_room(self, lane: Lane) -> bool:
        """Whether there came room; the condition is held."""
        return (
            self._changed.wait_for(
                lambda: self._stopping or len(lane.queue) < self._settings.queue,
                self._settings.hold_s,
            )
            and not self._stopping
        )

    def _drop(self, lane: Lane) -> None:
        """Close on purpose. The message was not acknowledged: the broker sends it again."""
        if self._stopping or lane.client is None or lane.held:
            return
        lane.held = True
        _log.warning("subscription_held", way=lane.way.value, waiting=len(lane.queue))
        lane.client.drop(hold=True)


def acknowledge(arrival: Arrival) -> bool:
    """Acknowledge a committed message; False when its connection is gone."""
    return arrival.client is not None and arrival.client.ack(arrival.message)
