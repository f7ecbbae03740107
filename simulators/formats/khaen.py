"""Captures of `khaen record` (docs/captures.md)."""

from __future__ import annotations

from collections.abc import Iterator

from khaen.capture import Reader, Record
from simulators.recording import Format, Source

_TITLE = b"khaen-capture"


def _fits(head: bytes) -> bool:
    return head.startswith(_TITLE)


def _read(source: Source) -> Iterator[Record]:
    with Reader(source.path) as reader:
        here = 0
        for record in reader:
            if reader.position != here:
                here = source.file.seek(reader.position)  # how far it is, for who looks
            yield record
        source.told += (f"{source.path}: {line}" for line in reader.findings.lines())


FORMAT = Format(name="khaen", fits=_fits, read=_read)
