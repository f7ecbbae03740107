"""paho's client, reading ahead: one system call for all that waits, not four per message.

paho asks the socket for one byte, then the length, then the rest, and asks the kernel before each
message whether there is more; that is half of what a message costs. Should paho stop calling
`_sock_recv`, nothing is read ahead and everything works as before.
"""

from __future__ import annotations

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

_AHEAD = 65_536


class AheadClient(paho.Client):
    """Hands out of a buffer what the socket had; a read that would block raises as paho's does."""

    _buffer: bytes = b""
    _at: int = 0

    def _sock_recv(self, bufsize: int) -> bytes:
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
