"""A recording in several files: a new one by size or time, and a cap on all of them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from khaen.capture.block import CaptureError
from khaen.capture.header import Header
from khaen.capture.record import Record
from khaen.capture.writer import BLOCK_BYTES, CaptureFull, Writer

SUFFIX: Final = ".khcap"
_PART = re.compile(r"-(\d{4,})$")
_MEGABYTE: Final = 1_000_000
LEAST_MB: Final = 0.1
"""The smallest limit a person may ask for: a file for each message helps nobody."""
_SLACK: Final = 512
"""Bytes that heads, and the header of a new file, take at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`part_bytes` and `part_s` begin a new file; `cap_bytes` bounds all files together.

    At the cap the oldest file goes if `drop_oldest`, else the recording ends.
    """

    part_bytes: int | None = None
    part_s: float | None = None
    cap_bytes: int | None = None
    drop_oldest: bool = False

    @property
    def in_parts(self) -> bool:
        """Whether the files are numbered."""
        return self.part_bytes is not None or self.part_s is not None


class PartWriter:
    """Writes `path`, or with limits that ask for parts `name-0001.khcap`, `name-0002.khcap`, …"""

    def __init__(
        self,
        path: Path,
        about: Header,
        limits: Limits | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """Raises CaptureError where files of that name are there, or limits do not fit."""
        self.limits = limits or Limits()
        self._path, self._about, self._monotonic = path, about, monotonic
        self._block_bytes = block_bytes
        self._written: list[tuple[Path, int]] = []
        self._records = self._removed = 0
        if self.limits.drop_oldest and not self.limits.in_parts:
            raise CaptureError("the oldest file can go only where there are several: ask for parts")
        if self.limits.in_parts and list_parts(path) != (path,):
            raise CaptureError(f"{list_parts(path)[0]}: is there already; choose another name")
        self._writer = self._begin(1)

    @property
    def records(self) -> int:
        """Records on the disk, those of removed files not counted."""
        return self._records + self._writer.records

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(size for _, size in self._written) + self._writer.size

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._written) + 1

    @property
    def removed(self) -> int:
        """How many files were removed to stay under the cap."""
        return self._removed

    def write(self, record: Record) -> None:
        """As Writer.write; a full part is closed first. Raises CaptureFull and ValueError."""
        part_bytes = self.limits.part_bytes
        if part_bytes is not None and self._writer.size + self._writer.waiting >= part_bytes:
            self._turn()
        coming = len(record.payload) + len(record.topic)
        if self._writer.waiting + coming + _SLACK >= self._block_bytes:
            self._make_room(coming)
        self._writer.write(record)

    def flush(self) -> None:
        """As Writer.flush; a part that is old enough is closed. Raises CaptureFull."""
        self._make_room()
        self._writer.flush()
        part_s = self.limits.part_s
        if part_s is not None and self._monotonic() - self._began >= part_s:
            self._turn()

    def close(self) -> None:
        """Flush and end. Raises CaptureFull."""
        self._writer.close()

    def discard(self) -> None:
        """Remove the file that is written to; after `close`."""
        self._writer.path.unlink(missing_ok=True)

    def _begin(self, part: int) -> Writer:
        path = part_path(self._path, part) if self.limits.in_parts else self._path
        self._began = self._monotonic()
        return Writer(path, replace(self._about, part=part), block_bytes=self._block_bytes)

    def _turn(self) -> None:
        if not self._writer.records and not self._writer.waiting:
            self._began = self._monotonic()
            return
        self._make_room()
        writer = self._writer
        writer.close()
        try:
            self._writer = self._begin(len(self._written) + self._removed + 2)
        except CaptureFull:
            raise
        except CaptureError as error:
            raise CaptureFull(
                f"no new file: {error}; {self.records} records were written before and can be read"
            ) from error
        self._written.append((writer.path, writer.size))
        self._records += writer.records

    def _make_room(self, coming: int = 0) -> None:
        """Stay under the cap with what waits and comes; compressed it will be less."""
        cap = self.limits.cap_bytes
        if cap is None:
            return
        while self.size + self._writer.waiting + coming + _SLACK > cap:
            if not self.limits.drop_oldest or not self._written:
                raise CaptureFull(
                    f"{self._path}: the cap of {cap / _MEGABYTE:g} MB is reached with "
                    f"{self.records} records, which can be read"
                )
            oldest, _size = self._written[0]
            try:
                oldest.unlink(missing_ok=True)
            except OSError as error:
                raise CaptureFull(f"{oldest}: it cannot be removed: {error.strerror}") from error
            del self._written[0]
            self._removed += 1


def megabytes(value: float | None) -> int | None:
    """A limit that a person gave in megabytes, in bytes. Raises CaptureError."""
    if value is None:
        return None
    if not (math.isfinite(value) and value >= LEAST_MB):
        raise CaptureError(f"a limit of {value:g} MB: give {LEAST_MB:g} or more")
    return int(value * _MEGABYTE)


def part_path(path: Path, part: int) -> Path:
    """The name of a part: `night.khcap` → `night-0001.khcap`."""
    return path.with_name(f"{path.stem}-{part:04}{path.suffix or SUFFIX}")


def list_parts(path: Path) -> tuple[Path, ...]:
    """The files of a recording, in order: `path` itself, or its numbered parts where it is not."""
    if path.exists():
        return (path,)
    pattern = f"{path.stem}-*{path.suffix or SUFFIX}"
    try:
        found = [each for each in path.parent.glob(pattern) if _PART.search(each.stem)]
    except (OSError, ValueError):
        return (path,)
    return tuple(sorted(found, key=_number)) or (path,)


def _number(path: Path) -> int:
    match = _PART.search(path.stem)
    return int(match[1]) if match else 0
