"""An MQTT broker in memory: sessions, QoS 1, retained messages, last wills; it can lose it all.

As in mosquitto with persistent sessions: a message is in a session's queue before it is
acknowledged to its publisher, and leaves it when its receiver acknowledges. Between PUBACK and
delivery lies `HOP_S`, which is the worst moment for a broker to die.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from khaen import log

if TYPE_CHECKING:
    from simulators.inside.client import VirtualClient

_log = log.logger()
HOP_S: Final = 0.002
"""One way between a client and the broker."""
MOST_QUEUED: Final = 100_000
"""Messages kept for a session; more are dropped, as by any broker."""

Filter = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """A message as it was published."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    """What the broker keeps for a client: what waits, and what it has not acknowledged."""

    filters: tuple[Filter, ...]
    window: int
    waiting: deque[Publication] = field(default_factory=deque)
    flying: OrderedDict[int, Publication] = field(default_factory=OrderedDict)
    client: VirtualClient | None = None

    def wants(self, topic: Filter) -> bool:
        """Whether a subscription covers the topic."""
        return any(covers(wanted, topic) for wanted in self.filters)


class Broker:
    """One broker; `up` says whether it runs. Nothing happens but in the loop's turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sessions: dict[str, Session] = {}
        self._retained: dict[str, Publication] = {}
        self._wanted: dict[str, tuple[Session, ...]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._fatal: Callable[[Publication], bool] | None = None
        self.up = True
        self.dropped = 0
        """Messages that found a session full."""

    # -- life ---------------------------------------------------------------

    def listen(self, on_change: Callable[[], None]) -> None:
        """Be told when it goes down or comes up."""
        self._listeners.append(on_change)

    def die(self, *, forgetting: bool) -> None:
        """End at once; `forgetting` loses every session, queue and retained message."""
        self.up = False
        if forgetting:
            self._sessions.clear()
            self._retained.clear()
            self._wanted.clear()
        _log.info("broker_died", forgetting=forgetting)
        self._tell()

    def die_after(self, fatal: Callable[[Publication], bool], *, forgetting: bool) -> None:
        """End when the next such message has been acknowledged, before anybody was given it."""

        def strike(publication: Publication) -> bool:
            if not fatal(publication):
                return False
            self._fatal = None
            # Its publisher has the acknowledgement before it notices that the broker is gone.
            self._loop.call_later(1.5 * HOP_S, lambda: self.die(forgetting=forgetting))
            return True

        self._fatal = strike

    def rise(self) -> None:
        """Run again, with what was not forgotten."""
        self.up = True
        self._tell()

    def _tell(self) -> None:
        for tell in list(self._listeners):
            tell()

    # -- clients ------------------------------------------------------------

    def enter(self, client: VirtualClient) -> None:
        """A client connects: its session is found or begun, and what it missed is sent."""
        session = None if client.clean else self._sessions.get(client.name)
        if session is None:
            session = self._sessions[client.name] = Session(
                filters=tuple(split(each) for each in client.subscriptions), window=client.window
            )
            self._wanted.clear()
        session.client = client
        session.waiting.extendleft(reversed(session.flying.values()))
        session.flying.clear()
        for publication in list(self._retained.values()):
            if session.wants(split(publication.topic)):
                session.waiting.append(publication)
        self._push(session)

    def leave(self, client: VirtualClient) -> None:
        """A connection is over. A clean session ends with it."""
        session = self._sessions.get(client.name)
        if session is None or session.client is not client:
            return
        session.client = None
        if client.clean:
            del self._sessions[client.name]
            self._wanted.clear()

    def publish(self, publication: Publication) -> bool:
        """Take a message; whether it is acknowledged, which is when it is in every queue."""
        if not self.up:
            return False
        if publication.retain:
            if publication.payload:
                self._retained[publication.topic] = publication
            else:
                self._retained.pop(publication.topic, None)
        if self._fatal is None or not self._fatal(publication):
            for session in self._receivers(publication.topic):
                self._queue(session, publication)
        return True

    def acknowledge(self, client: VirtualClient, mid: int) -> None:
        """A receiver has taken a message."""
        session = self._sessions.get(client.name)
        if session is not None and session.flying.pop(mid, None) is not None:
            self._push(session)

    # -- inside -------------------------------------------------------------

    def _receivers(self, topic: str) -> tuple[Session, ...]:
        found = self._wanted.get(topic)
        if found is None:
            parts = split(topic)
            found = tuple(s for s in self._sessions.values() if s.wants(parts))
            self._wanted[topic] = found
        return found

    def _queue(self, session: Session, publication: Publication) -> None:
        if publication.qos == 0 and session.client is None:
            return
        if len(session.waiting) >= MOST_QUEUED:
            self.dropped += 1
            return
        session.waiting.append(Publication(publication.topic, publication.payload, publication.qos))
        self._push(session)

    def _push(self, session: Session) -> None:
        client = session.client
        while client is not None and session.waiting and len(session.flying) < session.window:
            publication = session.waiting.popleft()
            mid = client.give(publication)
            if publication.qos:
                session.flying[mid] = publication


def split(topic: str) -> Filter:
    """A topic or a subscription by its levels."""
    return tuple(topic.split("/"))


def covers(wanted: Filter, topic: Filter) -> bool:
    """Whether a subscription with `+` and `#` covers a topic (MQTT 5, section 4.7)."""
    return all(_levels(wanted, topic))


def _levels(wanted: Filter, topic: Filter) -> Iterator[bool]:
    for level, each in enumerate(wanted):
        if each == "#":
            return
        yield level < len(topic) and each in ("+", topic[level])
    yield len(wanted) == len(topic)
