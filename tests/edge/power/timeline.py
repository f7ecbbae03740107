"""What was done to a disk, entry by entry, and what of it a power cut leaves.

The model: a sync makes lasting all that was written to its file before; of what came after, each
sector is either as it was or as it was written, whatever the order, and some blocks that were being
written are ruined as a whole, as cards do. The names of files are lasting, as on a file system with
a journal.
"""

import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
BLOCK = 4096
RUINED = 0.2
"""Of the blocks that were being written."""
_HEAD = struct.Struct("=cHQI")


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation (see recorder.c); `end` is where it ends in the record."""

    operation: str
    name: str
    offset: int
    data: bytes
    end: int


def build(folder: Path) -> Path:
    """The recorder as a shared object, compiled here."""
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"],
        check=True,
    )
    return library


def read(log: Path) -> Iterator[Entry]:
    """All whole entries of a record."""
    content, at = log.read_bytes(), 0
    while at + _HEAD.size <= len(content):
        operation, name_length, offset, length = _HEAD.unpack_from(content, at)
        name_end = at + _HEAD.size + name_length
        name, at = content[at + _HEAD.size : name_end], name_end + length
        if at <= len(content):
            yield Entry(operation.decode(), name.decode(), offset, content[name_end:at], at)


@dataclass
class Disk:
    """A disk to which entries are done. One that is not `honest` ignores syncs."""

    honest: bool = True
    lasting: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Entry]] = field(default_factory=dict)

    def do(self, entry: Entry) -> None:
        """Do one thing."""
        match entry.operation:
            case "w" | "t":
                self.lasting.setdefault(entry.name, bytearray())
                self.pending.setdefault(entry.name, []).append(entry)
            case "s" if self.honest:
                content = self.lasting.setdefault(entry.name, bytearray())
                for waiting in self.pending.pop(entry.name, ()):
                    _apply(content, waiting.operation, waiting.offset, waiting.data)
            case "u":
                self.lasting.pop(entry.name, None)
                self.pending.pop(entry.name, None)
            case "r":
                target = entry.data.decode()
                self.lasting[target] = self.lasting.pop(entry.name, bytearray())
                self.pending[target] = self.pending.pop(entry.name, [])

    def cut(self, chance: random.Random, into: Path) -> None:
        """Write down what is left, but for SQLite's shared memory and our lock."""
        into.mkdir(parents=True)
        share = chance.choice([0.0, 0.2, 0.5, 0.8, 1.0])
        for name, lasting in self.lasting.items():
            content = bytearray(lasting)
            pieces = [
                (entry.operation, *piece)
                for entry in self.pending.get(name, ())
                for piece in _tear(entry)
            ]
            for piece in pieces:
                if chance.random() < share:
                    _apply(content, *piece)
            for block in sorted({offset // BLOCK for what, offset, _ in pieces if what == "w"}):
                if chance.random() < RUINED:
                    first, last = block * BLOCK, min((block + 1) * BLOCK, len(content))
                    content[first:last] = chance.randbytes(max(0, last - first))
            if not name.endswith(("-shm", ".lock")):
                (into / name).write_bytes(content)


def _tear(entry: Entry) -> Iterator[tuple[int, bytes]]:
    """The sectors of a write; a cut of the size is whole."""
    if entry.operation == "t":
        yield entry.offset, b""
        return
    at, end = entry.offset, entry.offset + len(entry.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        yield at, entry.data[at - entry.offset : until - entry.offset]
        at = until


def _apply(content: bytearray, operation: str, offset: int, data: bytes) -> None:
    end = offset + len(data)
    if operation == "t":
        del content[offset:]
    content.extend(bytes(max(0, end - len(content))))
    content[offset:end] = data
