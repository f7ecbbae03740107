"""What a dialect of AT commands says: how to have a module listen, and how it tells what it hears.

A dialect is data: commands with the answers that end them, and patterns of lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from edge.source_settings import SerialSettings

MOST_LINE: Final = 1024
"""Bytes of the longest line: 255 bytes of payload in hexadecimal digits, and what stands around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `done` is a line that ends it well.

    One that is not `needed` may be refused: older firmware does not know it, or not now.
    """

    text: str
    done: re.Pattern[str]
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What a module heard: dBm, dB; None where it did not say."""

    payload: bytes
    rssi: int | None = None
    snr: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One language. `baud` is its modules' usual speed.

    `listen` are the commands that have a module listen from any state; after `check` it listens, if
    it ends that well. `failed` is an answer that refuses a command, `restarted` what a
    module says when it begins anew. A packet is one line `packet` (`payload` in hexadecimal
    digits), with `rssi` and `snr` in the same line or in a line `signal` before it (which may tell
    the `size`). `heard` is in every line that tells of a packet, readable or not.
    """

    name: str
    baud: int
    listen: Callable[[SerialSettings], tuple[Command, ...]]
    check: Command
    failed: re.Pattern[str]
    restarted: re.Pattern[str]
    signal: re.Pattern[str]
    packet: re.Pattern[str]
    heard: str


class BadLine(ValueError):
    """A line tells of a packet that cannot be read from it."""


class Hearing:
    """Makes packets of a module's lines."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._signal: re.Match[str] | None = None

    def take(self, line: str) -> Packet | None:
        """The packet that a line completes; None for any other line. Raises BadLine."""
        if signal := self._dialect.signal.search(line):
            self._signal = signal
            return None
        found = self._dialect.packet.search(line)
        if found is None:
            if self._dialect.heard in line:
                self._signal = None
                raise BadLine(line)
            return None
        signal, self._signal = self._signal, None
        payload = bytes.fromhex(found["payload"])
        size = _group(signal, "size")
        if size is not None and int(size) != len(payload):
            raise BadLine(line)
        rssi = _group(found, "rssi") or _group(signal, "rssi")
        snr = _group(found, "snr") or _group(signal, "snr")
        return Packet(
            payload=payload,
            rssi=None if rssi is None else int(rssi),
            snr=None if snr is None else float(snr),
        )


def _group(found: re.Match[str] | None, name: str) -> str | None:
    return None if found is None else found.groupdict().get(name)


class Lines:
    """Cuts what a port says into lines; one that is too long is dropped, and counted."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.too_long = 0
        """Lines dropped so far."""

    def take(self, data: bytes) -> Iterator[str]:
        """The lines that these bytes complete, without their ends and whatever is no ASCII."""
        *whole, rest = re.split(b"[\r\n]", self._rest + data)
        for line in whole:
            skipping, self._skipping = self._skipping, False
            if len(line) > MOST_LINE:
                self.too_long += not skipping
            elif line and not skipping:
                yield line.decode("ascii", errors="ignore").strip()
        if len(rest) > MOST_LINE:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._rest = rest
