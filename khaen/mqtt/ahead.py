"""paho's client, reading and answering many messages at once.

paho asks the socket for one byte, then the length, then the rest, asks the kernel before each
message whether there is more, makes for each an object of 27 properties, and writes each
acknowledgement by itself: four fifths of what a message costs. Here one system call reads all that
waits, and whole publications of QoS 1 without properties, as nearly all are, go straight to
`on_plain`. Everything else goes paho's way; should paho stop calling `_sock_recv`, all does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

_AHEAD = 65_536
_QOS_BITS, _QOS_1, _DUP_BIT, _RETAIN_BIT = 0x06, 0x02, 0x08, 0x01
_U16 = struct.Struct("!H")
_SHORTEST = 5
"""Bytes after the header: a topic's length, one letter, a message id."""
_PUBACK = struct.Struct("!BBH")


class AheadClient(paho.Client):
    """Hands out of a buffer what the socket had; a read that would block raises as paho's does."""

    on_plain: Callable[[str, bytes, bool, int], None] | None = None
    """Takes topic, payload, retain and mid of most QoS 1 publications, in place of `on_message`."""
    _buffer: bytes = b""
    _at: int = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._buffer):
            self._buffer, self._at = super()._sock_recv(_AHEAD), 0
        start = self._at
        self._at = min(start + bufsize, len(self._buffer))
        return self._buffer[start : self._at]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle all that was read: the kernel would not say again that it is there.

        paho reads until a packet is whole or the buffer empty, so what is left begins a packet.
        """
        outcome = super().loop_read(max_packets)
        while outcome == MQTTErrorCode.MQTT_ERR_SUCCESS and self._at < len(self._buffer):
            if not self._take_plain():
                outcome = super().loop_read()
        return outcome

    def acknowledge(self, mids: Iterable[int]) -> MQTTErrorCode:
        """Acknowledge publications of QoS 1, all in one write."""
        answers = b"".join(_PUBACK.pack(paho.PUBACK, 2, mid) for mid in mids)
        return self._packet_queue(paho.PUBACK, answers, 0, 1)

    def _take_plain(self) -> bool:
        """Hand over the publication at the head of the buffer; False for what is paho's to read."""
        buffer, take = self._buffer, self.on_plain
        if take is None or buffer[self._at] & ~(_DUP_BIT | _RETAIN_BIT) != paho.PUBLISH | _QOS_1:
            return False
        start, length = _remaining(buffer, self._at + 1)
        end = start + length
        if length < _SHORTEST or end > len(buffer):
            return False
        at = start + 2 + _U16.unpack_from(buffer, start)[0]
        has_properties = self._protocol == paho.MQTTv5
        body = at + 2 + has_properties
        if body > end or (has_properties and buffer[body - 1]):
            return False
        try:
            topic = buffer[start + 2 : at].decode()
        except UnicodeDecodeError:
            return False
        retain, (mid,) = bool(buffer[self._at] & _RETAIN_BIT), _U16.unpack_from(buffer, at)
        self._at = end
        take(topic, buffer[body:end], retain, mid)
        return True


def _remaining(buffer: bytes, at: int) -> tuple[int, int]:
    """Where a packet's rest begins, and its length (MQTT 5.0, section 1.5.5); 0 if it is cut."""
    length = 0
    for i, byte in enumerate(buffer[at : at + 4]):
        length |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return at + i + 1, length
    return at, 0
