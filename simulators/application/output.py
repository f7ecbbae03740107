"""Events on standard output or in a file, in forms that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from simulators.application.form import Event


def render_line(event: Event) -> bytes:
    """Time, topic and payload, as `mosquitto_sub -F '%I %t %p'` writes them."""
    return b"%s %s\n" % (_head(event), event.payload)


def render_hex_line(event: Event) -> bytes:
    """Time, topic and payload in hexadecimal digits, as `mosquitto_sub -F '%I %t %x'`."""
    return b"%s %s\n" % (_head(event), event.payload.hex().encode())


def render_payload_line(event: Event) -> bytes:
    """The payload and the end of the line."""
    return event.payload + b"\n"


def render_payload(event: Event) -> bytes:
    """The payload as it is."""
    return event.payload


def _head(event: Event) -> bytes:
    return f"{event.at:%Y-%m-%dT%H:%M:%S%z} {event.topic}".encode()


class Output:
    """Writes events to `file`, after `head`. Raises OSError where nobody reads any more."""

    def __init__(
        self, file: IO[bytes], render: Callable[[Event], bytes], *, head: bytes = b""
    ) -> None:
        self._file, self._render = file, render
        file.write(head)

    async def publish(self, event: Event) -> None:
        """Write one event; blocks while the reader is slow."""
        self._file.write(self._render(event))

    async def drain(self) -> None:
        """Hand over what is gathered."""
        self._file.flush()
