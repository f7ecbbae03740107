"""Lines typed while something else runs, without ever waiting for them.

On a terminal keys come one by one and are shown by whoever asks for `typed`; elsewhere lines come
as they are written into standard input. The terminal is left as it was found.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

_CHUNK: Final = 4096
_LONGEST: Final = 200
"""Characters of a line; what is typed beyond is not taken."""
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;]*[ -/]*[@-~]|O.|.)?")
_END: Final = "\x04"
_ERASE: Final = frozenset({"\x7f", "\b"})
_KILL: Final = "\x15"


class Keyboard:
    """Reads `descriptor` by the running loop; a context manager.

    `entered` is told of each line, `changed` of each key, `ended` when nothing will come any more.
    In the background of a shell, where reading would stop the process, it reads nothing.
    """

    def __init__(
        self,
        descriptor: int,
        entered: Callable[[str], None],
        *,
        changed: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.typed = ""
        self._descriptor = descriptor
        self._entered, self._changed, self._ended = entered, changed, ended
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._saved: list[Any] | None = None
        self._reading = False

    def __enter__(self) -> Self:
        terminal = os.isatty(self._descriptor)
        if terminal and os.tcgetpgrp(self._descriptor) != os.getpgrp():
            return self
        if terminal:
            self._saved = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        try:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
            self._reading = True
        except PermissionError:  # a file is always ready, and no loop waits for it
            while self._read():
                pass
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop()
        if self._saved is not None:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)
            self._saved = None

    def _stop(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._reading = False

    def _read(self) -> bool:
        """Take what there is; False at the end."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            self._stop()
            if self.typed:
                self._enter()
            self._ended()
            return False
        for key in _ESCAPES.sub("", self._decoder.decode(data)):
            self._take(key)
        self._changed()
        return True

    def _take(self, key: str) -> None:
        if key in "\r\n":
            self._enter()
        elif key in _ERASE:
            self.typed = self.typed[:-1]
        elif key == _KILL:
            self.typed = ""
        elif key == _END and not self.typed:
            self._ended()
        elif key.isprintable() and len(self.typed) < _LONGEST:
            self.typed += key

    def _enter(self) -> None:
        line, self.typed = self.typed.strip(), ""
        if line:
            self._entered(line)
