"""Blocks of a capture: each is read by itself, whatever became of those around it.

A block is a head of 41 bytes and a body. The head, little-endian: mark, kind, records in it, bytes
of the body before compression, bytes of the body, the first and the last record's time in
microseconds since 1970, CRC-32 of the body, CRC-32 of the head before it. The body is compressed
as RFC 1950 (zlib).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from khaen.capture.record import Record, Road
from khaen.clock import from_micros, to_micros
from khaen.errors import KhaenError

MARK: Final = b"\x9eKHB"
"""No UTF-8 text holds it."""
HEADER, RECORDS = 0, 1
"""Kinds; a reader passes over those that it does not know."""
MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of a body before compression."""
MAX_PAYLOAD: Final = 16 * 1024 * 1024
"""Bytes of one record."""

_HEAD = struct.Struct("<4sBIIIqqI")
_CRC = struct.Struct("<I")
HEAD_SIZE: Final = _HEAD.size + _CRC.size
_RECORD = struct.Struct("<qBHI")
_ROADS = tuple(Road)
_ROAD_BITS = {road: number for number, road in enumerate(_ROADS)}
_RETAIN = 0x10
_MAX_QOS = 2
_MAX_TOPIC = 0xFFFF


class CaptureError(KhaenError):
    """A capture that cannot be read or written; the text names the file and the remedy."""


class Damaged(ValueError):
    """Bytes that are no block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands before a block's body; `first` and `last` in microseconds since 1970."""

    kind: int
    records: int
    raw: int
    size: int
    first: int
    last: int
    crc: int


def pack_record(record: Record) -> bytes:
    """Time, flags (road, QoS, retain), topic's and payload's lengths, topic, payload.

    Raises ValueError for a topic or a payload that is too long, or a QoS that is none.
    """
    topic = record.topic.encode()
    if len(topic) > _MAX_TOPIC or len(record.payload) > MAX_PAYLOAD:
        raise ValueError(f"a record of {len(record.payload)} bytes is too long for a capture")
    if not 0 <= record.qos <= _MAX_QOS:
        raise ValueError(f"there is no QoS {record.qos}")
    flags = _ROAD_BITS[record.road] | record.qos << 2 | (_RETAIN if record.retain else 0)
    head = _RECORD.pack(to_micros(record.at), flags, len(topic), len(record.payload))
    return head + topic + record.payload


def pack(kind: int, body: bytes, times: Sequence[datetime] = (), records: int = 0) -> bytes:
    """A whole block; `times` are those of its first and its last record."""
    first, last = (to_micros(times[0]), to_micros(times[-1])) if times else (0, 0)
    packed = zlib.compress(body)
    head = _HEAD.pack(MARK, kind, records, len(body), len(packed), first, last, zlib.crc32(packed))
    return head + _CRC.pack(zlib.crc32(head)) + packed


def parse_head(data: bytes) -> Head:
    """The head that `data` begins with. Raises Damaged."""
    if len(data) < HEAD_SIZE or not data.startswith(MARK):
        raise Damaged("no mark")
    (crc,) = _CRC.unpack_from(data, _HEAD.size)
    if zlib.crc32(data[: _HEAD.size]) != crc:
        raise Damaged("checksum of the head")
    _mark, kind, records, raw, size, first, last, body_crc = _HEAD.unpack_from(data)
    if max(raw, size) > MAX_BODY:
        raise Damaged("longer than a block may be")
    return Head(
        kind=kind, records=records, raw=raw, size=size, first=first, last=last, crc=body_crc
    )


def open_body(head: Head, packed: bytes) -> bytes:
    """The body, unpacked. Raises Damaged."""
    if len(packed) != head.size or zlib.crc32(packed) != head.crc:
        raise Damaged("checksum of the body")
    try:
        body = zlib.decompressobj().decompress(packed, head.raw + 1)
    except zlib.error as error:
        raise Damaged("not compressed") from error
    if len(body) != head.raw:
        raise Damaged("length of the body")
    return body


def unpack_records(body: bytes, count: int) -> Iterator[Record]:
    """The `count` records of a body, in order.

    Raises Damaged where one is none, and before the first one that the count does not tell of.
    """
    at, end = 0, len(body)
    for left in range(count, -1, -1):
        if (at < end) != (left > 0):
            raise Damaged("another number of records than its head says")
        if at >= end:
            return
        try:
            micros, flags, topic_size, size = _RECORD.unpack_from(body, at)
            start = at + _RECORD.size
            payload_at = start + topic_size
            at = payload_at + size
            if at > end:
                raise Damaged("a record goes beyond its block")
            yield Record(
                at=from_micros(micros),
                road=_ROADS[flags & 3],
                payload=body[payload_at:at],
                topic=body[start:payload_at].decode(),
                qos=flags >> 2 & 3,
                retain=bool(flags & _RETAIN),
            )
        except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
            raise Damaged("a record is none") from error
