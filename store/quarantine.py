"""What cannot be attributed, what belongs to others, and what is no uplink: kept, bounded, counted.

Quarantine: 90 days and 1 GB. The ring of foreign frames: 7 days and 100 MB per gateway. Both are
swept in small steps, oldest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, func, select

from khaen.ids import DevAddr, GatewayEui
from store.database import Transaction
from store.schema.traffic import device_event, foreign_count, foreign_frame, quarantine
from store.statements import Statements, ignoring

MAX_CONTENT = 1 << 20
"""Bytes kept of one message; what is longer is cut, and says so in its detail."""
_DAY_US = 86_400_000_000
QUARANTINE_US = 90 * _DAY_US
QUARANTINE_BYTES = 1_000_000_000
RING_US = 7 * _DAY_US
RING_BYTES = 100_000_000
STEP = 500
"""Rows deleted per transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that could not be taken. `detail` never holds payload or people's data.

    `digest` is of what makes two copies the same: the frame's bytes, else the message's.
    """

    reason: str
    detail: str
    topic: str
    content: bytes
    gateway: GatewayEui | None = None
    dev_addr: DevAddr | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A frame of somebody else's network, in its envelope."""

    gateway: GatewayEui
    dev_addr: DevAddr
    content: bytes
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvent:
    """What a device or its network server said beside uplinks; `gateway` empty if none."""

    gateway: str
    dev_eui: str
    kind: str
    content: bytes
    digest: bytes
    received_at: int


class Shelf:
    """What one transaction sets aside."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._refused: list[tuple[object, ...]] = []
        self._foreign: list[tuple[object, ...]] = []
        self._foreign_bytes: dict[str, int] = {}
        self._foreign_frames: dict[str, int] = {}
        self._events: list[tuple[object, ...]] = []

    def refuse(self, refused: Refused) -> None:
        """Put a message in the quarantine, or count one more copy of it."""
        content, detail = refused.content, refused.detail
        digest = refused.digest or sha256(refused.topic.encode() + b"\0" + content).digest()
        if len(content) > MAX_CONTENT:
            detail = f"cut from {len(content)} bytes; {detail}"
            content = content[:MAX_CONTENT]
        self._refused.append(
            (
                refused.reason,
                detail[:500],
                refused.topic[:500],
                content,
                refused.gateway,
                refused.dev_addr,
                digest,
                self._tx.now,
                self._tx.now,
            )
        )

    def put_foreign(self, frame: Foreign) -> None:
        """Put a frame in its gateway's ring."""
        gateway = frame.gateway
        self._foreign.append(
            (gateway, frame.dev_addr, frame.content, frame.received_at, self._tx.now)
        )
        self._foreign_frames[gateway] = self._foreign_frames.get(gateway, 0) + 1
        self._foreign_bytes[gateway] = self._foreign_bytes.get(gateway, 0) + len(frame.content)

    def put_event(self, event: DeviceEvent) -> None:
        """Keep an event; a copy of a known one changes nothing."""
        self._events.append(
            (
                None,
                event.digest,
                event.gateway,
                event.dev_eui,
                event.kind,
                event.content,
                event.received_at,
                self._tx.now,
            )
        )

    def flush(self) -> None:
        """Write it all."""
        tx = self._tx
        tx.many(_REFUSE, self._refused)
        tx.many(_FOREIGN, self._foreign)
        tx.many(
            _COUNT,
            [(g, n, self._foreign_bytes[g]) for g, n in self._foreign_frames.items()],
        )
        if self._events:
            tx.many(_SQL.sql(tx.connection.engine, "event"), self._events)


def kept_bytes(connection: Connection) -> int:
    """How many bytes lie in the quarantine."""
    return int(
        connection.execute(select(func.coalesce(func.sum(func.length(_q.content)), 0))).scalar_one()
    )


def sweep_quarantine(tx: Transaction, kept: int) -> tuple[int, int]:
    """Delete up to `STEP` rows that are too old, or the oldest while more than 1 GB is kept.

    `kept` is what `kept_bytes` said. Returns how many rows and bytes went.
    """
    oldest = select(_q.seq, func.length(_q.content), _q.last_at).order_by(_q.seq).limit(STEP)
    gone: list[int] = []
    freed = 0
    for seq, size, last_at in tx.connection.execute(oldest):
        if last_at >= tx.now - QUARANTINE_US and kept - freed <= QUARANTINE_BYTES:
            continue
        gone.append(seq)
        freed += size
    if gone:
        tx.connection.execute(delete(quarantine).where(_q.seq.in_(gone)))
    return len(gone), freed


def sweep_ring(tx: Transaction, gateway: str) -> int:
    """Delete up to `STEP` frames of a gateway's ring that are too old or too many; how many."""
    bytes_kept = (
        tx.connection.execute(
            select(foreign_count.c.bytes).where(foreign_count.c.gateway_eui == gateway)
        ).scalar_one_or_none()
        or 0
    )
    oldest = (
        select(_f.seq, func.length(_f.content), _f.ingested_at)
        .where(_f.gateway_eui == gateway)
        .order_by(_f.seq)
        .limit(STEP)
    )
    gone: list[int] = []
    freed = 0
    for seq, size, at in tx.connection.execute(oldest):
        if at >= tx.now - RING_US and bytes_kept - freed <= RING_BYTES:
            break
        gone.append(seq)
        freed += size
    if gone:
        tx.connection.execute(delete(foreign_frame).where(_f.seq.in_(gone)))
        tx.many(_COUNT, [(gateway, 0, -freed)])
    return len(gone)


def ring_gateways(connection: Connection) -> list[str]:
    """The gateways that have a ring."""
    return list(connection.execute(select(foreign_count.c.gateway_eui)).scalars())


_q, _f = quarantine.c, foreign_frame.c
_REFUSE = (
    "INSERT INTO quarantine (reason, detail, topic, content, gateway_eui, dev_addr, digest,"
    " copies, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)"
    " ON CONFLICT (digest, reason) DO UPDATE SET copies = quarantine.copies + 1,"
    " last_at = excluded.last_at"
)
_FOREIGN = (
    "INSERT INTO foreign_frame (gateway_eui, dev_addr, content, received_at, ingested_at)"
    " VALUES (?, ?, ?, ?, ?)"
)
_COUNT = (
    "INSERT INTO foreign_count (gateway_eui, frames, bytes) VALUES (?, ?, ?)"
    " ON CONFLICT (gateway_eui) DO UPDATE SET frames = foreign_count.frames + excluded.frames,"
    " bytes = foreign_count.bytes + excluded.bytes"
)
_SQL = Statements(event=ignoring(device_event))
