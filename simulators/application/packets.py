"""The few packets of MQTT 3.1.1 (OASIS standard, 2014) that a publisher sends and hears."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

CONNACK, PUBACK, PINGRESP = 0x20, 0x40, 0xD0
PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
DUP: Final = 0x08
REFUSALS: Final = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take our client id",
    3: "it is not available",
    4: "user name or password is wrong",
    5: "user name or password is wrong, or the account may not connect",
}
"""CONNACK's return codes, 3.2.2.3."""
_CONNECT, _PUBLISH_QOS_1 = 0x10, 0x32
_LEVEL, _CLEAN, _USER, _PASSWORD = 4, 0x02, 0x80, 0x40
_MOST_LENGTH_BYTES: Final = 4


def connect(client_id: str, *, keepalive: int, username: str, password: str | None) -> bytes:
    """A CONNECT with a clean session; without a user name for an open broker."""
    flags, rest = _CLEAN, _text(client_id)
    if username:
        flags, rest = flags | _USER, rest + _text(username)
        if password is not None:
            flags, rest = flags | _PASSWORD, rest + _text(password)
    body = _text("MQTT") + struct.pack(">BBH", _LEVEL, flags, keepalive) + rest
    return bytes((_CONNECT,)) + _length(len(body)) + body


def publish(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH with QoS 1."""
    name = topic.encode()
    head = struct.pack(">H", len(name))
    length = _length(4 + len(name) + len(payload))
    return b"".join((bytes((_PUBLISH_QOS_1,)), length, head, name, packet_id.to_bytes(2), payload))


def again(packet: bytes) -> bytes:
    """The same PUBLISH as one that may have come already."""
    return bytes((packet[0] | DUP,)) + packet[1:]


def split(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take whole packets off the front of `buffer`: (type, body). Raises ValueError for no MQTT."""
    while len(buffer) >= 2:
        length, used = 0, 1
        while True:
            if used > _MOST_LENGTH_BYTES:
                raise ValueError("a length of more than four bytes")
            if used == len(buffer):
                return
            byte = buffer[used]
            length |= (byte & 0x7F) << 7 * (used - 1)
            used += 1
            if not byte & 0x80:
                break
        if len(buffer) < used + length:
            return
        kind, body = buffer[0] & 0xF0, bytes(buffer[used : used + length])
        del buffer[: used + length]
        yield kind, body


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _length(size: int) -> bytes:
    found = bytearray()
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    found.append(size)
    return bytes(found)
