"""A serial port as lines: opened for us alone, read whenever the kernel has something."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from edge.modem.dialect import Lines
from khaen.errors import KhaenError, NotRunnable

try:
    import serial
except ImportError as error:
    raise NotRunnable("[serial] needs pyserial: install khaen[edge], or take it away") from error

_AT_ONCE: Final = 4096
_REMEDIES: Final = {
    errno.EACCES: "permission denied; add the agent's user to the group dialout",
    errno.EAGAIN: "another program uses it; stop that one first",
    errno.EBUSY: "another program uses it; stop that one first",
    errno.ENOENT: "there is no such port; is the module plugged in?",
}


class ModuleLost(KhaenError):
    """The port or the module behind it does not work; the text says why, and what to do."""


class SerialPort:
    """An open port: `take` is given each line, `lost` the reason when it is gone.

    Raises ModuleLost when it cannot be opened.
    """

    def __init__(
        self, device: Path, baud: int, take: Callable[[str], None], lost: Callable[[str], None]
    ) -> None:
        self._take, self._lost = take, lost
        self.lines = Lines()
        try:
            self._serial = serial.Serial(str(device), baud, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            number = getattr(error, "errno", None)
            raise ModuleLost(f"{device}: {_REMEDIES.get(number or 0, str(error))}") from error
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._serial.fileno(), self._read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.remove_reader(self._serial.fileno())
        self._serial.close()

    def write(self, line: str) -> None:
        """Say a line. Raises ModuleLost; a full port counts as one."""
        data = line.encode("ascii") + b"\r\n"
        try:
            written = os.write(self._serial.fileno(), data)
        except OSError as error:
            raise ModuleLost(f"writing failed: {error.strerror}") from error
        if written < len(data):
            raise ModuleLost("it takes no more")

    def _read(self) -> None:
        try:
            data = os.read(self._serial.fileno(), _AT_ONCE)
        except BlockingIOError:
            return
        except OSError as error:
            data, reason = b"", error.strerror or "reading failed"
        else:
            reason = "it was unplugged"
        if not data:  # ready without anything to read: the other end is gone
            self._loop.remove_reader(self._serial.fileno())
            self._lost(reason)
        for line in self.lines.take(data):
            self._take(line)
