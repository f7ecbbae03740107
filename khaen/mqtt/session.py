"""What a program wants of a connection, and what it gets from it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Answer(enum.Enum):
    """What became of a publication."""

    TAKEN = "taken"
    UNHEARD = "unheard"
    """The broker took it and had nobody to give it to (told on MQTT 5 only)."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """It was never handed to the socket: its time was over before there was room."""

    @property
    def taken(self) -> bool:
        """Whether the broker took it."""
        return self in (Answer.TAKEN, Answer.UNHEARD)


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
    published: Callable[[int, int, Answer], None] = lambda _connection, _mid, _answer: None
    """What became of a QoS 1 publication: (connection, mid, answer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who the client is to the broker and what it wants.

    `expiry` seconds > 0 keeps the session at the broker (fixed `client_id` needed); 0 is a clean
    start. The connection stands once all `subscriptions` are granted; `hopes` may be refused.
    `window` bounds both directions. `user_timeout` in milliseconds bounds how long the
    kernel may hold unacknowledged bytes (TCP_USER_TIMEOUT); it then takes few that it cannot send
    yet (TCP_NOTSENT_LOWAT), because in its hands they only grow old.
    """

    client_id: str
    subscriptions: tuple[str, ...] = ()
    hopes: tuple[str, ...] = ()
    expiry: int = 0
    window: int = 64
    user_timeout: int | None = None
    will: Will | None = None
