"""When a certificate begins and ends, read from its file.

X.509 v3 in DER (RFC 5280, section 4.1; ITU-T X.690 for the encoding). Only what leads to the dates
is read, and nothing is verified: that is TLS's own work.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from khaen.errors import DecodeError

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_LONG: Final = 0x80
_DAY_S: Final = 86_400
_MAX_LENGTH_BYTES: Final = 3
_MAX_FILE: Final = 1 << 20
_TIME: Final = "%Y%m%d%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The span in which a certificate may be used."""

    begins: datetime
    ends: datetime


@dataclass(slots=True)
class _Bytes:
    """What is left to be read; every error is a DecodeError at its offset."""

    data: bytes
    offset: int
    end: int

    def open(self) -> tuple[int, _Bytes]:
        """The next element's tag, and its contents; behind it is read on."""
        tag, size = self._byte(), self._byte()
        if size >= _LONG:
            count = size - _LONG
            if not 0 < count <= _MAX_LENGTH_BYTES:
                raise DecodeError("no DER length", offset=self.offset - 1)
            size = 0
            for _ in range(count):
                size = size << 8 | self._byte()
        start = self.offset
        if start + size > self.end:
            raise DecodeError("cut short", offset=self.end)
        self.offset = start + size
        return tag, _Bytes(self.data, start, self.offset)

    def _byte(self) -> int:
        if self.offset >= self.end:
            raise DecodeError("cut short", offset=self.end)
        self.offset += 1
        return self.data[self.offset - 1]

    def enter(self) -> _Bytes:
        """The contents of the next element, which must be a sequence."""
        tag, contents = self.open()
        if tag != _SEQUENCE:
            raise DecodeError("no sequence", offset=contents.offset)
        return contents

    def time(self) -> datetime:
        """The next element, which must be a time."""
        tag, contents = self.open()
        if tag not in (_UTC_TIME, _GENERALIZED_TIME):
            raise DecodeError("no time", offset=contents.offset)
        try:
            text = self.data[contents.offset : contents.end].decode("ascii")
            if tag == _UTC_TIME:  # RFC 5280, section 4.1.2.5.1: of the years 1950 to 2049
                text = ("19" if text >= "50" else "20") + text
            return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise DecodeError("no time", offset=contents.offset) from error


def parse(der: bytes) -> Validity:
    """The validity of a certificate in DER. Raises DecodeError."""
    certificate = _Bytes(der, 0, len(der)).enter().enter()
    tag, _ = certificate.open()  # the version, which the oldest leave out, or the serial number
    if tag == _VERSION:
        certificate.open()
    certificate.enter()  # the signature's algorithm
    certificate.enter()  # the issuer
    validity = certificate.enter()
    return Validity(begins=validity.time(), ends=validity.time())


def read(path: Path) -> Validity:
    """The validity of a PEM file's first certificate. Raises OSError and DecodeError."""
    with path.open("rb") as file:
        text = file.read(_MAX_FILE).decode("ascii", errors="replace")
    start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    if not 0 <= start < end:
        raise DecodeError(f"{path}: no certificate in PEM")
    try:
        return parse(ssl.PEM_cert_to_DER_cert(text[start : end + len(ssl.PEM_FOOTER)]))
    except ValueError as error:
        raise DecodeError(f"{path}: no certificate in PEM") from error


def count_days(file: Path, now: datetime) -> float | None:
    """Days until a file's certificate ends, negative afterwards; None where it cannot be read."""
    try:
        return (read(file).ends - now).total_seconds() / _DAY_S
    except (OSError, DecodeError):
        return None
