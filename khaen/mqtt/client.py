"""A connection to a broker that is made again whenever it is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from khaen import log
from khaen.backoff import Backoff
from khaen.errors import SettingsError
from khaen.mqtt.ahead import MAX_PACKET, AheadClient
from khaen.mqtt.connection import NO_LIMIT, Connection
from khaen.mqtt.credentials import Keyring
from khaen.mqtt.reasons import explain, explain_refusal
from khaen.mqtt.session import Answer, Handlers, Message, Session
from khaen.mqtt.settings import MqttSettings, Version

_log = log.logger()
_STABLE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_ANSWER_SECONDS_AUTO = 3.0
# A broker that comes back is found soon, however long it was away: a call for help waits for it,
# and is promised within 10 s of the return.
LONGEST_PAUSE_SECONDS = 3.0
_UNSENT_BYTES = 8192
"""What the kernel may hold that it cannot send yet: some twenty frames."""
_WRONG_VERSION = "Unsupported protocol version"
_FRAME_BYTES = 16
"""Bytes of a PUBLISH beside topic and payload, at most (MQTT 5.0, section 3.3): the fixed header,
the topic's length, the packet identifier, and the properties that are set here."""
_NO_SUBSCRIBERS = 0x10
"""MQTT 5.0, section 3.4.2.1: accepted, but nobody subscribes."""
Connect = Callable[[MqttSettings, Session, Handlers], "Client"]
"""How a program gets its client: `Client` itself, but in a simulation."""
_HOLDING = (
    "on_socket_open", "on_connect", "on_subscribe", "on_disconnect", "on_message", "on_publish",
    "on_failure", "on_withdrawn", "ended_by",
)  # fmt: skip
"""What of a client holds, by a way round, the client, and so its sockets."""


class Client:
    """A connection to a broker that is made again whenever it is lost."""

    def __init__(
        self,
        settings: MqttSettings,
        session: Session,
        handlers: Handlers,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self._settings, self._session, self._handlers = settings, session, handlers
        self._keyring = Keyring(settings, session.client_id)
        self._version = Version.V5 if settings.version is Version.AUTO else settings.version
        self._backoff = backoff or Backoff(cap=LONGEST_PAUSE_SECONDS)
        self._stop = threading.Event()
        self._hold = threading.Event()
        self._hold.set()
        self._current: Connection | None = None
        self._count = 0
        self.unreadable = 0
        """Messages passed over because their topic is not UTF-8."""
        self._thread = threading.Thread(target=self._run, name=f"mqtt {session.client_id}")

    # -- life ---------------------------------------------------------------

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Disconnect and end; a graceful DISCONNECT leaves no last will. Waits `timeout` s."""
        self._stop.set()
        self._hold.set()
        connection = self._current
        if connection is not None:
            connection.client.disconnect()
        self._thread.join(timeout)

    def drop(self, *, hold: bool = False) -> None:
        """Close the connection on purpose; with `hold`, stay away until `resume`."""
        if hold:
            self._hold.clear()
        connection = self._current
        sock = connection.client.socket() if connection is not None else None
        if isinstance(sock, socket.socket):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("mqtt_socket_was_closed", client_id=self._session.client_id)

    def renew(self) -> None:
        """Leave in good order, and connect again: with files that were renewed."""
        if (connection := self._current) is not None:
            connection.reason = connection.reason or "made anew on purpose"
            connection.client.disconnect()

    def resume(self) -> None:
        """Connect again after `drop(hold=True)`."""
        self._hold.set()

    # -- facts --------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the broker granted the connection and every subscription."""
        connection = self._current
        return connection is not None and connection.usable

    @property
    def connection(self) -> int:
        """The number of the present (or last) connection, from 1."""
        return self._count

    @property
    def version(self) -> Version:
        """The version spoken: `5` or `3.1.1`."""
        return self._version

    @property
    def largest(self) -> int:
        """Bytes of topic and payload together that the present broker takes in one message."""
        connection = self._current
        return (NO_LIMIT if connection is None else connection.largest) - _FRAME_BYTES

    # -- work ---------------------------------------------------------------

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
        """Hand a message to the present connection: its (connection, mid), or None where there is
        none, no room, or more than the broker takes. `expiry` (s, MQTT 5 only) lets the broker drop
        it when it comes too late. What the socket cannot take `within` so many seconds is
        withdrawn.
        """
        connection = self._current
        if connection is None or not connection.usable:
            return None
        if qos and connection.client.unanswered >= connection.room:
            return None
        if len(topic.encode()) + len(payload) > self.largest:
            return None
        properties = None
        if expiry is not None and self._version is Version.V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, round(expiry))
        limit = None if within is None else monotonic() + within
        info = connection.client.publish_within(limit, topic, payload, qos, retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        return connection.number, info.mid

    def ack(self, message: Message) -> bool:
        """Acknowledge; False when its connection is gone (the broker will send it again)."""
        connection = self._current
        if connection is None or connection.number != message.connection or message.qos == 0:
            return False
        if connection.over.is_set():
            return False
        return connection.client.ack(message.mid, message.qos) == MQTTErrorCode.MQTT_ERR_SUCCESS

    # -- the network thread -------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            self._hold.wait()
            if self._stop.is_set():
                return
            try:
                reason = self._connect_once()
            except Exception as error:  # noqa: BLE001 - this thread is what connects again
                self._tell_failure(error)
                reason = f"failed: {type(error).__name__}"
            if not self._stop.is_set():
                _log.warning("mqtt_disconnected", client_id=self._session.client_id, reason=reason)
            try:
                self._handlers.disconnected(reason)
            except Exception as error:  # noqa: BLE001 - this thread is what connects again
                self._tell_failure(error)
            if not self._stop.is_set():
                self._stop.wait(self._backoff.next())

    def _connect_once(self) -> str:
        self._count += 1
        try:
            connection = Connection(self._count, self._make(self._count), self._session.window)
        except SettingsError as error:  # a file that went away: said, and tried again
            return str(error)
        self._wire(connection)
        self._current = connection
        try:
            connection.client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive,
                **self._session_arguments(),
            )
            connection.speaks = False
            connection.client.loop_start()
            if self._stop.is_set():  # it was said before there was anything to disconnect
                connection.client.disconnect()
            self._await_answer(connection)
            connection.over.wait()
        except (OSError, ValueError) as error:
            connection.end(explain(error, self._settings))
        finally:
            connection.client.loop_stop()
            for name in _HOLDING:
                setattr(connection.client, name, None)
            self._current = None
        self._change_version(connection)
        since = connection.granted_at
        if since is not None and monotonic() - since >= _STABLE_SECONDS:
            self._backoff.reset()
        return connection.reason

    def _await_answer(self, connection: Connection) -> None:
        auto = self._settings.version is Version.AUTO
        if not connection.answered.wait(_ANSWER_SECONDS_AUTO if auto else _ANSWER_SECONDS):
            connection.end("the broker did not answer CONNECT")
            connection.client.disconnect()
        elif not connection.decided.wait(_ANSWER_SECONDS):
            connection.end("the broker did not answer SUBSCRIBE")
            connection.client.disconnect()

    def _change_version(self, connection: Connection) -> None:
        if self._settings.version is Version.AUTO and connection.speaks is False:
            self._version = Version.V311 if self._version is Version.V5 else Version.V5

    def _make(self, number: int) -> AheadClient:
        protocol = paho.MQTTv5 if self._version is Version.V5 else paho.MQTTv311
        credentials = self._keyring.read()
        client = AheadClient(
            CallbackAPIVersion.VERSION2,
            client_id=credentials.client_id,
            clean_session=None if protocol == paho.MQTTv5 else self._session.expiry == 0,
            userdata=number,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(self._session.window)
        client.max_queued_messages_set(self._session.window)
        if self._settings.username:
            client.username_pw_set(self._settings.username, credentials.password)
        if credentials.tls is not None:
            client.tls_set_context(credentials.tls)
        if (will := self._session.will) is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        return client

    def _session_arguments(self) -> dict[str, Any]:
        if self._version is not Version.V5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session.expiry
        properties.ReceiveMaximum = self._session.window
        properties.MaximumPacketSize = MAX_PACKET
        return {"clean_start": self._session.expiry == 0, "properties": properties}

    def _wire(self, connection: Connection) -> None:
        client = connection.client
        client.on_socket_open = self._tune
        client.on_connect = partial(self._on_connect, connection)
        client.on_subscribe = partial(self._on_subscribe, connection)
        client.on_disconnect = partial(self._on_disconnect, connection)
        client.on_message = lambda _c, _u, message: self._hear(connection, message)
        client.on_publish = partial(self._on_publish, connection)
        client.on_withdrawn = lambda mid: self._handlers.published(
            connection.number, mid, Answer.WITHDRAWN
        )
        client.on_failure = partial(self._on_failure, connection)

    def _tune(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if (timeout := self._session.user_timeout) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(
        self, connection: Connection, _c: Any, _u: Any, _f: Any, code: ReasonCode, more: Any
    ) -> None:
        connection.speaks = code != _WRONG_VERSION
        connection.answered.set()
        connection.room = min(connection.room, getattr(more, "ReceiveMaximum", connection.room))
        connection.largest = getattr(more, "MaximumPacketSize", NO_LIMIT)
        if code.is_failure:
            connection.reason = explain_refusal(str(code))
        elif self._session.subscriptions:
            topics = (*self._session.subscriptions, *self._session.hopes)
            connection.client.subscribe([(topic, 1) for topic in topics])
        else:
            self._granted(connection)

    def _on_subscribe(
        self, connection: Connection, _c: Any, _u: Any, _m: Any, codes: list[ReasonCode], _p: Any
    ) -> None:
        wanted = zip(self._session.subscriptions, codes, strict=False)
        failed = [f"{topic}: {code}" for topic, code in wanted if code.is_failure]
        if failed:
            connection.reason = f"subscription refused: {failed[0]}"
            connection.client.disconnect()
        else:
            self._granted(connection)

    def _on_disconnect(
        self, connection: Connection, _c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Any
    ) -> None:
        error = connection.client.ended_by
        connection.end(str(code) if error is None else explain(error, self._settings))

    def _on_publish(
        self, connection: Connection, _c: Any, _u: Any, mid: int, code: ReasonCode, _p: Any
    ) -> None:
        answer = Answer.REFUSED if code.is_failure else Answer.TAKEN
        if code.value == _NO_SUBSCRIBERS:
            answer = Answer.UNHEARD
        self._handlers.published(connection.number, mid, answer)

    def _on_failure(self, connection: Connection, error: Exception) -> None:
        self._tell_failure(error)
        self.drop()
        connection.end(f"failed: {type(error).__name__}")

    def _hear(self, connection: Connection, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._pass_over(connection.client, message)
            return
        self._handlers.message(
            Message(
                topic=topic,
                payload=bytes(message.payload),
                qos=message.qos,
                retain=message.retain,
                connection=connection.number,
                mid=message.mid,
            )
        )

    def _pass_over(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        """Acknowledge what nobody can read, or it would stay in the window for ever."""
        self.unreadable += 1
        _log.warning(
            "mqtt_topic_unreadable", client_id=self._session.client_id, count=self.unreadable
        )
        client.ack(message.mid, message.qos)

    def _tell_failure(self, error: Exception) -> None:
        """Its type only: its text may hold what a person's message says."""
        _log.error(
            "mqtt_handler_failed", client_id=self._session.client_id, error=type(error).__name__
        )

    def _granted(self, connection: Connection) -> None:
        connection.granted_at = monotonic()
        connection.decided.set()
        self._keyring.keep()
        _log.info(
            "mqtt_connected",
            client_id=self._session.client_id,
            host=self._settings.host,
            port=self._settings.port,
            version=self._version.value,
        )
        self._handlers.connected()
