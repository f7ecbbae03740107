"""Writing a capture: whole blocks only, each flushed to the disk before it counts as written."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from khaen.capture import block, header
from khaen.capture.block import CaptureError
from khaen.capture.header import Header
from khaen.capture.record import Record

VERSION: Final = 1
TITLE: Final = b"khaen-capture "
BLOCK_BYTES: Final = 256 * 1024
"""A block is written when it holds so many bytes before compression, or at a `flush`."""


class CaptureFull(CaptureError):
    """No more can be written here; all that was written before can be read."""


class Writer:
    """One file of a capture, made anew, mode 0600. Not for several threads at once."""

    def __init__(self, path: Path, about: Header, *, block_bytes: int = BLOCK_BYTES) -> None:
        """Raises CaptureError where the file is there already or cannot be made."""
        self.path, self.records, self.size = path, 0, 0
        self._block_bytes = block_bytes
        self._parts: list[bytes] = []
        self._waiting = 0
        self._first = self._last = about.began
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except FileExistsError as error:
            raise CaptureError(f"{path}: is there already; name a new file") from error
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}; name another place") from error
        title = TITLE + f"{VERSION}\n".encode()
        try:
            self._append(title + block.pack(block.HEADER, header.render(about)))
        except CaptureFull:
            os.close(self._file)
            with suppress(OSError):
                path.unlink()
            raise

    @property
    def waiting(self) -> int:
        """Bytes that the next block has so far."""
        return self._waiting

    def write(self, record: Record) -> None:
        """Take a record; it is on the disk after the next `flush`, or when a block is full.

        Raises CaptureFull, and ValueError for a record that no capture takes.
        """
        packed = block.pack_record(record)
        if not self._parts:
            self._first = record.at
        self._last = record.at
        self._parts.append(packed)
        self._waiting += len(packed)
        if self._waiting >= self._block_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what was taken as a block, and wait for the disk. Raises CaptureFull."""
        if not self._parts:
            return
        parts, times = self._parts, (self._first, self._last)
        self._parts, self._waiting = [], 0
        self._append(_pack(parts, times))
        self.records += len(parts)

    def close(self) -> None:
        """Flush and end; further calls do nothing. Raises CaptureFull."""
        if self._file < 0:
            return
        try:
            self.flush()
        finally:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:
                raise CaptureFull(f"{self.path}: {error.strerror}; its end may be lost") from error

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as error:
            self._cut_back()
            raise CaptureFull(
                f"{self.path}: {error.strerror}; {self.records} records were written before and "
                "can be read"
            ) from error
        self.size += len(data)

    def _cut_back(self) -> None:
        """Take away what was begun; a reader would pass over it as well."""
        try:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
        except OSError:
            return


def _pack(parts: list[bytes], times: tuple[datetime, datetime]) -> bytes:
    return block.pack(block.RECORDS, b"".join(parts), times, len(parts))
