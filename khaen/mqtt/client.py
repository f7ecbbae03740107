"""A connection to a broker that is made again whenever it is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
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
from khaen.mqtt.session import Handlers, Message, Session
from khaen.mqtt.settings import MqttSettings, Version

_log = log.logger()
_STABLE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_ANSWER_SECONDS_AUTO = 3.0
# A broker that comes back is found soon, however long it was away: a call for help waits for it,
# and is promised within 10 s of the return.
_LONGEST_PAUSE_SECONDS = 3.0
_WRONG_VERSION = "Unsupported protocol version"
Connect = Callable[[MqttSettings, Session, Handlers], "Client"]
"""How a program gets its client: `Client` itself, but in a simulation."""
_CALLBACKS = (
    "on_socket_open", "on_connect", "on_subscribe", "on_disconnect", "on_message", "on_publish",
    "on_failure",
)  # fmt: skip


@dataclass(slots=True)
class _Connection:
    number: int
    client: AheadClient
    answered: threading.Event = field(default_factory=threading.Event)
    """CONNACK came, or the connection is over."""
    over: threading.Event = field(default_factory=threading.Event)
    speaks: bool | None = None
    """Whether the broker takes this version: None when it could not be reached."""
    granted: bool = False
    reason: str = ""
    """Why it is over; the first reason is the true one."""

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.over.set()
        self.answered.set()


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
        self._version = Version.V5 if settings.version is Version.AUTO else settings.version
        self._backoff = backoff or Backoff(cap=_LONGEST_PAUSE_SECONDS)
        self._stop = threading.Event()
        self._hold = threading.Event()
        self._hold.set()
        self._current: _Connection | None = None
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

    def resume(self) -> None:
        """Connect again after `drop(hold=True)`."""
        self._hold.set()

    # -- facts --------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the broker granted the connection and every subscription."""
        connection = self._current
        return connection is not None and connection.granted and not connection.over.is_set()

    @property
    def connection(self) -> int:
        """The number of the present (or last) connection, from 1."""
        return self._count

    @property
    def version(self) -> Version:
        """The version spoken: `5` or `3.1.1`."""
        return self._version

    # -- work ---------------------------------------------------------------

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: float | None = None,
    ) -> tuple[int, int] | None:
        """Hand a message to the present connection: its (connection, mid), or None if there is
        none. `expiry` (s, MQTT 5 only) lets the broker drop it when it comes too late.
        """
        connection = self._current
        if connection is None or not connection.granted or connection.over.is_set():
            return None
        properties = None
        if expiry is not None and self._version is Version.V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, round(expiry))
        info = connection.client.publish(topic, payload, qos, retain, properties)
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
            reason = self._connect_once()
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
            connection = _Connection(self._count, self._make(self._count))
        except SettingsError as error:  # a file that went away: said, and tried again
            return str(error)
        self._wire(connection)
        self._current = connection
        stable = threading.Timer(_STABLE_SECONDS, self._backoff.reset)
        stable.daemon = True
        try:
            connection.client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive,
                **self._session_arguments(),
            )
            connection.speaks = False
            connection.client.loop_start()
            stable.start()
            if self._stop.is_set():  # it was said before there was anything to disconnect
                connection.client.disconnect()
            self._await_answer(connection)
            connection.over.wait()
        except (OSError, ValueError) as error:
            connection.end(f"{type(error).__name__}: {error}")
        finally:
            stable.cancel()
            connection.client.loop_stop()
            for callback in _CALLBACKS:  # they hold the client, and so its sockets
                setattr(connection.client, callback, None)
            self._current = None
        self._change_version(connection)
        return connection.reason

    def _await_answer(self, connection: _Connection) -> None:
        auto = self._settings.version is Version.AUTO
        if not connection.answered.wait(_ANSWER_SECONDS_AUTO if auto else _ANSWER_SECONDS):
            connection.end("the broker did not answer CONNECT")
            connection.client.disconnect()

    def _change_version(self, connection: _Connection) -> None:
        if self._settings.version is Version.AUTO and connection.speaks is False:
            self._version = Version.V311 if self._version is Version.V5 else Version.V5

    def _make(self, number: int) -> AheadClient:
        protocol = paho.MQTTv5 if self._version is Version.V5 else paho.MQTTv311
        client = AheadClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id(self._session.client_id),
            clean_session=None if protocol == paho.MQTTv5 else self._session.expiry == 0,
            userdata=number,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(self._session.window)
        client.max_queued_messages_set(self._session.window)
        if self._settings.username:
            client.username_pw_set(self._settings.username, self._settings.password())
        if self._settings.ca_file is not None:
            client.tls_set_context(self._settings.tls())
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

    def _wire(self, connection: _Connection) -> None:
        client = connection.client
        wanted = len(self._session.subscriptions)

        def on_socket_open(_c: Any, _u: Any, sock: Any) -> None:
            if self._session.user_timeout is not None:
                sock.setsockopt(
                    socket.IPPROTO_TCP,
                    socket.TCP_USER_TIMEOUT,
                    self._session.user_timeout,
                )
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def on_connect(_c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
            connection.speaks = code != _WRONG_VERSION
            connection.answered.set()
            if code.is_failure:
                connection.reason = f"refused: {code}"
            elif wanted:
                client.subscribe([(topic, 1) for topic in self._session.subscriptions])
            else:
                self._granted(connection)

        def on_subscribe(_c: Any, _u: Any, _m: Any, codes: list[ReasonCode], _p: Any) -> None:
            failed = [code for code in codes if code.is_failure]
            if failed:
                connection.reason = f"subscription refused: {failed[0]}"
                client.disconnect()
            else:
                self._granted(connection)

        def on_disconnect(_c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
            connection.end(str(code))

        def on_message(_c: Any, _u: Any, message: paho.MQTTMessage) -> None:
            self._hear(connection, message)

        def on_publish(_c: Any, _u: Any, mid: int, code: ReasonCode, _p: Any) -> None:
            self._handlers.published(connection.number, mid, not code.is_failure)

        def on_failure(error: Exception) -> None:
            self._tell_failure(error)
            self.drop()
            connection.end(f"failed: {type(error).__name__}")

        client.on_socket_open = on_socket_open
        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_disconnect = on_disconnect
        client.on_message = on_message
        client.on_publish = on_publish
        client.on_failure = on_failure

    def _hear(self, connection: _Connection, message: paho.MQTTMessage) -> None:
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

    def _granted(self, connection: _Connection) -> None:
        connection.granted = True
        _log.info(
            "mqtt_connected",
            client_id=self._session.client_id,
            host=self._settings.host,
            port=self._settings.port,
            version=self._version.value,
        )
        self._handlers.connected()
