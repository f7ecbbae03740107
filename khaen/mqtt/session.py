"""What a program wants of a connection, and what it gets from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says when the client is gone."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An incoming message, to be acknowledged by `Client.ack` (QoS 1)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    connection: int
    mid: int


@dataclass(slots=True, kw_only=True)
class Handlers:
    """What a program does when things happen; all run in the network thread.

    They should not raise: what does ends the connection, which is made again after a pause.
    """

    message: Callable[[Message], None] = lambda _message: None
    connected: Callable[[], None] = lambda: None
    """Connected and all subscriptions granted."""
    disconnected: Callable[[str], None] = lambda _reason: None
    published: Callable[[int, int, bool], None] = lambda _connection, _mid, _taken: None
    """The broker answered a QoS 1 publication: (connection, mid, whether it took it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who the client is to the broker and what it wants.

    `expiry` seconds > 0 keeps the session at the broker (fixed `client_id` needed); 0 is a clean
    start. `window` bounds both directions. `user_timeout` in milliseconds bounds how long the
    kernel may hold unacknowledged bytes (TCP_USER_TIMEOUT).
    """

    client_id: str
    subscriptions: tuple[str, ...] = ()
    expiry: int = 0
    window: int = 64
    user_timeout: int | None = None
    will: Will | None = None
