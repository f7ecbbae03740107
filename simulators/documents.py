"""JSON objects out of a file, one after the other, however they are laid out.

One to a line, spread over lines, in a list of any length, or behind a word such as a topic. Reads
ahead by a megabyte at most; what is no JSON costs its line.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

MAX_DOCUMENT: Final = 4 * 1024 * 1024
"""Characters of one object."""
_CHUNK: Final = 1024 * 1024
_LITERAL: Final = len("false")
_BETWEEN: Final = " \t\r[],\ufeff\x1e"
"""What stands between objects of a list, and before those of RFC 7464."""


def documents(file: BinaryIO, skipped: Counter[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object with what stands before it in its line; the rest is counted as `not_json`."""
    text = _Text(file)
    while text.has_line_or_brace():
        start, end = text.find("{"), text.find("\n")
        if start < 0 or 0 <= end < start:
            end = len(text.buffer) if end < 0 else end
            if text.buffer[text.at : end].strip(_BETWEEN):
                skipped["not_json"] += 1
            text.at = end + 1
            continue
        before = text.buffer[text.at : start].strip(_BETWEEN)
        text.at = start
        found = text.decode()
        if found is None:
            skipped["not_json"] += 1
            text.skip_line()
        else:
            yield before, found


class _Text:
    """A file as text, of which a part is in the buffer; `at` is where it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.buffer, self.at = "", 0
        self._file, self._decoder = file, codecs.getincrementaldecoder("utf-8")("replace")
        self._parser = json.JSONDecoder()
        self._ended = False

    def find(self, what: str) -> int:
        """Where it is next, in the buffer."""
        return self.buffer.find(what, self.at)

    def has_line_or_brace(self) -> bool:
        """Whether there is anything left; the buffer then has a brace, a line, or all the rest."""
        while self.find("{") < 0 and self.find("\n") < 0:
            if len(self.buffer) - self.at > MAX_DOCUMENT:
                self.at = len(self.buffer)  # no text that anybody wrote
            if not self._read():
                return self.at < len(self.buffer)
        return True

    def decode(self) -> dict[str, Any] | None:
        """The object that begins here, read on as far as it goes; None where there is none."""
        while True:
            try:
                found, self.at = self._parser.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated")
                cut = cut or error.pos >= len(self.buffer) - _LITERAL
                if not cut or len(self.buffer) - self.at > MAX_DOCUMENT or not self._read():
                    return None
            except (ValueError, RecursionError):  # more digits, or deeper, than Python reads
                return None
            else:
                return found if isinstance(found, dict) else None

    def skip_line(self) -> None:
        """Go on after the next end of a line."""
        while (end := self.find("\n")) < 0:
            self.at = len(self.buffer)
            if not self._read():
                return
        self.at = end + 1

    def _read(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        chunk = self._file.read(_CHUNK)
        self._ended = not chunk
        self.buffer = self.buffer[self.at :] + self._decoder.decode(chunk, final=self._ended)
        self.at = 0
        return True
