"""A program's MQTT client in a virtual world: `khaen.mqtt.Client` without threads and sockets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

from khaen.backoff import Backoff
from khaen.mqtt import Answer, Client, Handlers, Message, MqttSettings, Session, Version
from simulators.inside.broker import HOP_S, Broker, Publication
from simulators.inside.link import VirtualLink
from simulators.link import Fault

_LONGEST_PAUSE_S: Final = 3.0
"""As the real client's."""
_USER_TIMEOUT_S: Final = 5.0
"""The kernel gives a connection up on which bytes stay unacknowledged for so long: agents ask for
that (docs/wire.md). A keepalive would take longer."""


class _Hop:
    """One direction of a connection: all that goes takes `HOP_S`, and nothing overtakes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._going: deque[partial[None]] = deque()

    def carry(self, arrive: Callable[..., None], *arguments: Any) -> None:
        """Call `arrive` at the other end."""
        # A loop keeps no order among timers of one moment.
        self._going.append(partial(arrive, *arguments))
        self._loop.call_later(HOP_S, self._arrive)

    def _arrive(self) -> None:
        self._going.popleft()()


class VirtualClient(Client):
    """Connects through `link`, and again whenever the connection is lost."""

    def __init__(
        self,
        settings: MqttSettings,
        session: Session,
        handlers: Handlers,
        *,
        broker: Broker,
        link: VirtualLink,
        loop: asyncio.AbstractEventLoop,
        rng: Random,
    ) -> None:
        super().__init__(settings, session, handlers)
        self.name = session.client_id
        self.clean = session.expiry == 0
        self.subscriptions = (*session.subscriptions, *session.hopes)
        self.window = session.window
        self._broker, self._link, self._loop = broker, link, loop
        self._handlers, self._will = handlers, session.will
        self._pauses = Backoff(cap=_LONGEST_PAUSE_S, rng=rng)
        self._number = 0
        self._mid = 0
        self._open = self._wanted = False
        self._trying: asyncio.TimerHandle | None = None
        self._held: list[tuple[int, Publication, int]] = []
        self._up, self._down = _Hop(loop), _Hop(loop)
        link.listen(self._changed)
        broker.listen(self._changed)

    # -- as a program sees it -----------------------------------------------

    def start(self) -> None:
        """Begin connecting."""
        self._wanted = True
        self._try_in(0.0)

    def stop(self, timeout: float = 5.0) -> None:
        """Leave in good order."""
        del timeout
        self._wanted = False
        self._end("stopped", graceful=True)

    def drop(self, *, hold: bool = False) -> None:
        """Close the connection; with `hold`, stay away until `resume`."""
        self._wanted = not hold
        self._end("dropped")

    def resume(self) -> None:
        """Connect again."""
        self._wanted = True
        self._try_in(0.0)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._open

    @property
    def connection(self) -> int:
        """Its number."""
        return self._number

    @property
    def version(self) -> Version:
        """What it speaks."""
        return Version.V5

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
        """Hand over a message: its (connection, mid), or None."""
        del expiry, within  # nothing waits here for longer than a moment
        if not self._open:
            return None
        self._mid += 1
        publication = Publication(topic, payload, qos, retain)
        self._up.carry(self._arrive, self._number, publication, self._mid)
        return self._number, self._mid

    def ack(self, message: Message) -> bool:
        """Acknowledge; False when its connection is gone."""
        if not self._open or message.connection != self._number or message.qos == 0:
            return False
        self._broker.acknowledge(self, message.mid)
        return True

    # -- the way to the broker ----------------------------------------------

    def _arrive(self, number: int, publication: Publication, mid: int) -> None:
        if number != self._number or not self._open:
            return
        if self._link.fault is Fault.BLACK_HOLE:
            self._held.append((number, publication, mid))
            self._loop.call_later(_USER_TIMEOUT_S, self._give_up, number)
        elif self._broker.publish(publication) and publication.qos:
            self._down.carry(self._taken, number, mid)

    def _taken(self, number: int, mid: int) -> None:
        if number == self._number and self._open:
            self._handlers.published(number, mid, Answer.TAKEN)

    def _give_up(self, number: int) -> None:
        if number == self._number and self._open and self._link.fault is Fault.BLACK_HOLE:
            self._end("timed out")

    def give(self, publication: Publication) -> int:
        """The broker sends a message; the mid under which it waits to be acknowledged."""
        self._mid += 1
        message = Message(
            topic=publication.topic,
            payload=publication.payload,
            qos=publication.qos,
            retain=publication.retain,
            connection=self._number,
            mid=self._mid,
        )
        self._down.carry(self._receive, message)
        return self._mid

    def _receive(self, message: Message) -> None:
        if self._open and message.connection == self._number and self._link.whole:
            self._handlers.message(message)

    # -- connections --------------------------------------------------------

    def _changed(self) -> None:
        """The link or the broker is another than before."""
        if not self._broker.up or self._link.fault is Fault.REFUSE:
            self._end("connection refused")
        elif self._link.whole:
            held, self._held = self._held, []
            for number, publication, mid in held:
                self._arrive(number, publication, mid)
            if not self._open:
                self._try_in(self._pauses.next())

    def _try_in(self, seconds: float) -> None:
        if self._trying is not None:
            self._trying.cancel()
        self._trying = self._loop.call_later(seconds, self._try)

    def _try(self) -> None:
        """Connect, if anything answers; else the change that makes it so calls again."""
        if self._wanted and not self._open and self._broker.up and self._link.whole:
            self._number += 1
            self._open = True
            self._pauses.reset()
            self._broker.enter(self)
            self._handlers.connected()

    def _end(self, reason: str, *, graceful: bool = False) -> None:
        if not self._open:
            return
        self._open = False
        self._held.clear()
        self._broker.leave(self)
        if self._will is not None and not graceful and self._broker.up:
            will = self._will
            self._broker.publish(Publication(will.topic, will.payload, 1, will.retain))
        self._handlers.disconnected(reason)
        self._try_in(self._pauses.next())
