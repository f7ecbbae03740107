"""A file of recorded traffic, whatever its format: found by its content, read record by record.

What a format cannot take is skipped, counted by reason, and never stops the reading.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO, Final

from khaen import plugins
from khaen.capture import CaptureError, Record, list_parts
from khaen.ids import GatewayEui

PACKAGE: Final = "simulators.formats"
CONSTANT: Final = "FORMAT"
MAX_LINE: Final = 4 * 1024 * 1024
_HEAD: Final = 65_536
_TEXT: Final = 64
"""Bytes at the beginning of a text, among which there is no zero."""


@dataclass(slots=True, kw_only=True)
class Source:
    """A file while it is read. `zone` and `gateway` are for files that do not say them."""

    path: Path
    file: BinaryIO
    skipped: Counter[str]
    """What was left out, by reason."""
    told: list[str] = field(default_factory=list)
    """What a person must know of the file."""
    zone: tzinfo = UTC
    gateway: GatewayEui | None = None
    is_cut: bool = False
    """Whether the line that `lines` gave has no end: the last one of a file that was cut off."""

    def lines(self) -> Iterator[str]:
        """Its lines, empty ones left out; what is no UTF-8 is replaced."""
        while line := self.file.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                self.skipped["line_too_long"] += 1
                while (rest := self.file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
            elif text := line.strip().decode("utf-8", "replace").lstrip("\ufeff"):
                self.is_cut = not line.endswith(b"\n")
                yield text


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`fits` looks at the first 64 KiB of a file; `read` gives its records and never raises but
    CaptureError, which ends the reading.
    """

    name: str
    fits: Callable[[bytes], bool]
    read: Callable[[Source], Iterator[Record]]


class Recording:
    """One recording, in one file or several. `skipped` and `told` are whole after the reading."""

    def __init__(
        self,
        path: Path,
        *,
        format_name: str | None = None,
        zone: tzinfo = UTC,
        gateway: GatewayEui | None = None,
    ) -> None:
        """Raises CaptureError: no such file, or none of a known format."""
        self.paths = list_parts(path)
        self.skipped: Counter[str] = Counter()
        self.told: list[str] = []
        self._zone, self._gateway = zone, gateway
        self._sizes = [_size(part) for part in self.paths]
        self._file: BinaryIO | None = None
        self._done = 0
        self.format = _find(self.paths[0], format_name)

    @property
    def share(self) -> float:
        """How far the reading is, from 0 to 1."""
        here = self._file.tell() if self._file is not None and not self._file.closed else 0
        total = sum(self._sizes)
        return min(1.0, (sum(self._sizes[: self._done]) + here) / total) if total else 1.0

    def __iter__(self) -> Iterator[Record]:
        """All records, from the beginning, each time anew. Raises CaptureError."""
        self.skipped.clear()
        self.told.clear()
        for done, path in enumerate(self.paths):
            self._done = done
            try:
                with path.open("rb") as self._file:
                    source = Source(
                        path=path,
                        file=self._file,
                        skipped=self.skipped,
                        told=self.told,
                        zone=self._zone,
                        gateway=self._gateway,
                    )
                    yield from self.format.read(source)
            except OSError as error:
                raise CaptureError(f"{path}: {error.strerror}") from error
        self._done = len(self.paths)


def formats() -> dict[str, Format]:
    """All formats by name."""
    return plugins.load_all(PACKAGE, CONSTANT, Format, lambda found: found.name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from error


def _find(path: Path, name: str | None) -> Format:
    known = formats()
    names = ", ".join(sorted(known))
    if name is not None:
        if name not in known:
            raise CaptureError(f"there is no format {name!r}; there are: {names}")
        return known[name]
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror or os.strerror(5)}") from error
    for found in known.values():
        if found.fits(head):
            return found
    raise CaptureError(f"{path}: is no recording of a known format; there are: {names}")


def first_lines(head: bytes, count: int = 20) -> list[str]:
    """The first lines of a head that are not empty; none of what is no text."""
    if b"\0" in head[:_TEXT]:
        return []
    lines = head.decode("utf-8", "replace").lstrip("\ufeff").splitlines()
    return [line.strip() for line in lines if line.strip()][:count]


def local(at: datetime, zone: tzinfo) -> datetime:
    """A time in UTC; one without a zone is of `zone`."""
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
