"""paho's client, reading ahead: one system call for all that waits, not four per message.

And it writes nothing that has grown too old, and keeps why its connection ended, and its network
thread does not die unheard.

paho asks the socket for one byte, then the length, then the rest, and asks the kernel before each
message whether there is more; that is half of what a message costs. Should paho stop calling
`_sock_recv`, nothing is read ahead and everything works as before.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

from khaen.mqtt.outgoing import Outgoing

_AHEAD = 65_536
MAX_PACKET = 16 * 1024 * 1024
"""Bytes of the longest message that is taken."""


class AheadClient(paho.Client):
    """Hands out of a buffer what the socket had; a read that would block raises as paho's does."""

    _buffer: bytes = b""
    _at: int = 0
    on_failure: Callable[[Exception], None] | None = None
    """Called in the network thread, which then ends, with what a handler or paho itself raised."""
    on_withdrawn: Callable[[int], None] | None = None
    """Called in the network thread with the mid of a message that was not written in time."""
    ended_by: OSError | None = None
    """What the socket, or TLS, said last: paho itself forgets it."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._out_packet: Outgoing = Outgoing()  # type: ignore[assignment]

    @property
    def unanswered(self) -> int:
        """QoS 1 messages handed over and not yet answered."""
        return len(self._out_messages)

    def publish_within(
        self, limit: float | None, topic: str, payload: bytes, qos: int, retain: bool, more: Any
    ) -> paho.MQTTMessageInfo:
        """`publish`, but for what cannot be written until `limit` (s of `time.monotonic`)."""
        with self._out_packet.limit(limit):
            return self.publish(topic, payload, qos, retain, more)

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """As paho's, but for a socket that is closed where there is no agreement."""
        assert self._ssl_context is not None
        sealed = self._ssl_context.wrap_socket(
            tcp_sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        try:
            sealed.settimeout(self._connect_timeout)
            sealed.do_handshake()
        except BaseException as error:
            sealed.close()
            if isinstance(error, ConnectionResetError):
                raise ConnectionResetError(
                    "the broker ended it in the TLS handshake: look at mqtt.port"
                ) from error
            raise
        return sealed

    def _packet_write(self) -> MQTTErrorCode:
        outcome = super()._packet_write()
        while self._out_packet.withdrawn:
            mid = self._out_packet.withdrawn.popleft()
            with self._out_message_mutex:
                if self._out_messages.pop(mid, None) is not None:
                    self._inflight_messages -= 1
            if self.on_withdrawn is not None:
                self.on_withdrawn(mid)
        return outcome

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """The network thread's work; it does not raise."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # noqa: BLE001 - the thread's outermost border
            if self.on_failure is not None:
                self.on_failure(error)
            return MQTTErrorCode.MQTT_ERR_UNKNOWN

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._out_packet.sealed = isinstance(self._sock, ssl.SSLSocket)
        if self._out_packet.torn:
            self.ended_by = ConnectionError("a message grew old half written: the link stood still")
            raise self.ended_by
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as error:
            self.ended_by = self.ended_by or self._hear_last_word() or error
            raise

    def _hear_last_word(self) -> OSError | None:
        """Why TLS ended, said by the broker before it stopped listening to us."""
        try:
            if self._out_packet.sealed and self._sock is not None:
                self._sock.recv(1)
        except ssl.SSLError as alert:
            return None if isinstance(alert, ssl.SSLWantReadError) else alert
        except OSError:
            return None
        return None

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET:  # paho asks for all of a packet that is still to come
            raise ConnectionError("a message longer than was agreed")
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._read(), 0
        start = self._at
        self._at = min(start + bufsize, len(self._buffer))
        return self._buffer[start : self._at]

    def _read(self) -> bytes:
        try:
            return super()._sock_recv(_AHEAD)
        except BlockingIOError:
            raise
        except OSError as error:
            self.ended_by = self.ended_by or error
            raise

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle all that was read: the kernel would not say again that it is there."""
        outcome = super().loop_read(max_packets)
        while outcome == MQTTErrorCode.MQTT_ERR_SUCCESS and self._at < len(self._buffer):
            outcome = super().loop_read()
        return outcome
