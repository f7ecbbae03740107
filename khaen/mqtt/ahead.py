"""paho's client, reading ahead: one system call for all that waits, not four per message.

And its network thread does not die unheard: what ends it is told.

paho asks the socket for one byte, then the length, then the rest, and asks the kernel before each
message whether there is more; that is half of what a message costs. Should paho stop calling
`_sock_recv`, nothing is read ahead and everything works as before.
"""

from __future__ import annotations

from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

_AHEAD = 65_536
MAX_PACKET = 16 * 1024 * 1024
"""Bytes of the longest message that is taken."""


class AheadClient(paho.Client):
    """Hands out of a buffer what the socket had; a read that would block raises as paho's does."""

    _buffer: bytes = b""
    _at: int = 0
    on_failure: Callable[[Exception], None] | None = None
    """Called in the network thread, which then ends, with what a handler or paho itself raised."""

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

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET:  # paho asks for all of a packet that is still to come
            raise ConnectionError("a message longer than was agreed")
        if self._at >= len(self._buffer):
            self._buffer, self._at = super()._sock_recv(_AHEAD), 0
        start = self._at
        self._at = min(start + bufsize, len(self._buffer))
        return self._buffer[start : self._at]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle all that was read: the kernel would not say again that it is there."""
        outcome = super().loop_read(max_packets)
        while outcome == MQTTErrorCode.MQTT_ERR_SUCCESS and self._at < len(self._buffer):
            outcome = super().loop_read()
        return outcome
