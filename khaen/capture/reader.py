"""Reading a capture in constant memory: what is damaged is passed over, counted and told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from khaen.capture import block, header
from khaen.capture.block import HEAD_SIZE, MARK, CaptureError, Damaged, Head
from khaen.capture.record import Record
from khaen.capture.writer import TITLE, VERSION
from khaen.clock import format_time

_CHUNK: Final = 1 << 16
_FIRST_CHUNK: Final = 512
_MAX_TITLE: Final = len(TITLE) + 12
_TWICE: Final = 2
"""How often the file's size may be read in vain, of bodies that are not what their heads say."""


@dataclass(slots=True)
class Findings:
    """What there was beside whole records; complete when the reading is over.

    `damaged` counts damaged places before the last whole block and `skipped` their bytes; `tail`
    are the bytes behind it. `backwards` counts records that are older than the one before.
    """

    records: int = 0
    damaged: int = 0
    skipped: int = 0
    tail: int = 0
    backwards: int = 0
    last: datetime | None = None

    def note(self, record: Record) -> None:
        """Count a record."""
        self.records += 1
        if self.last is not None and record.at < self.last:
            self.backwards += 1
        self.last = record.at

    def lines(self) -> tuple[str, ...]:
        """What a person must know of the damage, a sentence each; nothing of a whole capture."""
        said = []
        if self.damaged:
            said.append(f"{self.damaged} damaged place(s), {self.skipped} bytes, passed over")
        if self.tail:
            until = f"it goes up to {format_time(self.last)}" if self.last else "nothing is left"
            said.append(f"the end is cut off or damaged: {self.tail} bytes ignored; {until}")
        return tuple(said)


class Reader:
    """One file of a capture: an iterator over its records, once."""

    def __init__(self, path: Path, findings: Findings | None = None) -> None:
        """Raises CaptureError: no such file, no capture, of a newer version."""
        self.path = path
        self.findings = findings or Findings()
        self.header = header.NO_HEADER
        self._in_vain = 0
        try:
            self._file: BinaryIO = path.open("rb")
            self._end = path.stat().st_size
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from error
        try:
            self._check_title()
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file free."""
        self._file.close()

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""
        return self._file.tell()

    def __iter__(self) -> Iterator[Record]:
        for head, body in self._blocks():
            if head.kind != block.RECORDS:
                continue
            try:
                for record in block.unpack_records(body, head.records):
                    self.findings.note(record)
                    yield record
            except Damaged:
                self.findings.damaged += 1

    def _check_title(self) -> None:
        title = self._file.read(_MAX_TITLE)
        line, end, _rest = title.partition(b"\n")
        number = line[len(TITLE) :]
        known = TITLE + str(VERSION).encode()
        if known.startswith(title) or (TITLE.startswith(title) and not end):
            self._file.seek(len(title))  # cut off in its title: nothing is left of it
        elif not line.startswith(TITLE) or not end or not number.isdigit():
            raise CaptureError(f"{self.path}: is no capture of khaen")
        elif int(number) > VERSION:
            raise CaptureError(
                f"{self.path}: is of version {int(number)}, and this khaen reads up to "
                f"{VERSION}; take a newer khaen"
            )
        else:
            self._file.seek(len(line) + 1)

    def _read_header(self) -> None:
        start = self._file.tell()
        try:
            head = block.parse_head(self._file.read(HEAD_SIZE))
            if head.kind == block.HEADER:
                body = block.open_body(head, self._file.read(head.size))
                self.header = header.parse(body)
                return
        except Damaged:
            pass  # the reading comes upon it again, and counts it
        self._file.seek(start)

    def _blocks(self) -> Iterator[tuple[Head, bytes]]:
        while (start := self._file.tell()) < self._end:
            try:
                head = block.parse_head(self._file.read(HEAD_SIZE))
                body = block.open_body(head, self._file.read(head.size))
            except Damaged:
                found = self._find(self._next_place(start))
                if found is None:
                    self.findings.tail += self._end - start
                    self._file.seek(self._end)
                    return
                self.findings.damaged += 1
                self.findings.skipped += found - start
                self._file.seek(found)
            else:
                yield head, body

    def _next_place(self, start: int) -> int:
        """Where to go on after damage at `start`, of which all was read.

        A block may begin inside what was no body; but heads that claim the same bytes again and
        again do not make us read them so often.
        """
        here = self._file.tell()
        self._in_vain += here - start
        return start + 1 if self._in_vain <= _TWICE * self._end else max(here, start + 1)

    def _find(self, start: int) -> int | None:
        """Where the next whole head is, from `start` on."""
        self._file.seek(start)
        seen, at, size = b"", start, _FIRST_CHUNK
        while chunk := self._file.read(size):
            size = min(2 * size, _CHUNK)
            seen += chunk
            found = -1
            while (found := seen.find(MARK, found + 1)) >= 0:
                if self._is_head(at + found):
                    return at + found
            keep = len(MARK) - 1
            at, seen = at + max(0, len(seen) - keep), seen[-keep:]
            self._file.seek(at + len(seen))
        return None

    def _is_head(self, at: int) -> bool:
        """Whether a head begins at `at` whose body is all there."""
        here = self._file.tell()
        self._file.seek(at)
        try:
            head = block.parse_head(self._file.read(HEAD_SIZE))
        except Damaged:
            return False
        finally:
            self._file.seek(here)
        return at + HEAD_SIZE + head.size <= self._end
