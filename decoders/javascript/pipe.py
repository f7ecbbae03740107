"""Messages on the pipes between an engine and its worker: a length, a number, then text.

Little-endian, 4 bytes each: the length of the text in bytes, and a number that the kind of message
gives a meaning. The text is UTF-8.
"""

from __future__ import annotations

import os
import struct

HEAD = struct.Struct("<II")
Job = tuple[str, str, int, float, int, str]
"""What a worker is asked: the codec's digest, and what `Context.run` takes."""
POSTPONED = ""
"""The answer to a job whose codec had to be stopped earlier in the same message: ask again."""


def pack(text: str, number: int = 0) -> bytes:
    """The bytes of one message."""
    body = text.encode("utf-8", "replace")
    return HEAD.pack(len(body), number) + body


class Splitter:
    """Bytes as they come to whole messages."""

    def __init__(self) -> None:
        self._held = bytearray()

    def split(self, data: bytes) -> list[tuple[str, int]]:
        """The messages that are whole now: text and number."""
        found = []
        held = self._held
        held += data
        at = 0
        while len(held) - at >= HEAD.size:
            length, number = HEAD.unpack_from(held, at)
            end = at + HEAD.size + length
            if len(held) < end:
                break
            found.append((held[at + HEAD.size : end].decode("utf-8", "replace"), number))
            at = end
        del held[:at]
        return found


def read(descriptor: int) -> tuple[str, int] | None:
    """Wait for one message on a pipe; None where it ended."""
    head = _read_exactly(descriptor, HEAD.size)
    if head is None:
        return None
    length, number = HEAD.unpack(head)
    body = _read_exactly(descriptor, length)
    return None if body is None else (body.decode("utf-8"), number)


def write(descriptor: int, message: bytes) -> None:
    """Write all of a message to a pipe, waiting for room."""
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(descriptor, size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
