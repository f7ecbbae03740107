"""Uplinks that were admitted and wait for their family's codec: leased, closed by compare-and-set.

A row's `due_at` is when it may be taken; whoever takes it moves that on by its lease and counts the
attempt. Only the latest attempt can close it, so that nothing is decoded twice. A device's uplinks
are taken in their order: one that is put off holds back those behind it, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Row, bindparam, exists, func, select, text, update

from khaen.evaluation import Subject
from khaen.ids import OrganisationId, PlaceId, SubjectId, UplinkId
from khaen.uplink import Uplink
from store import document, latest, told
from store.database import Transaction
from store.journal import Kind
from store.schema import traffic
from store.uplinks import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One uplink and the attempt to decode it. Its one reception says when it was heard.

    The subject's `simulated` is the registry's to say.
    """

    seq: int
    attempt: int
    id: UplinkId
    family: str
    uplink: Uplink
    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One uplink that waits, as far as somebody must be told of it."""

    seq: int
    family: str
    organisation: OrganisationId
    subject: SubjectId


def is_due(connection: Connection, now: int) -> bool:
    """Whether any uplink may be taken at `now`, in microseconds."""
    return connection.execute(_DUE, {"now": now}).first() is not None


def claim(tx: Transaction, *, lease_s: float, limit: int) -> list[Pending]:
    """Take uplinks that are due, each device's oldest first, for `lease_s` seconds."""
    until = tx.now + int(lease_s * 1e6)
    taken = tx.connection.execute(_CLAIM, {"now": tx.now, "until": until, "limit": limit})
    attempts = {row.uplink: row.attempt for row in taken}
    rows = tx.connection.execute(_UPLINKS, {"seqs": sorted(attempts)})
    return [_pending(row, attempts[row.seq]) for row in rows]


def put_off(tx: Transaction, waiting: Iterable[Pending], seconds: float) -> None:
    """Give uplinks back, not to be taken before some seconds from now."""
    due_at = tx.now + int(seconds * 1e6)
    tx.many(_PUT_OFF, [(due_at, each.seq, each.attempt) for each in waiting])


def release(tx: Transaction) -> None:
    """Make all of them due: whoever held some is gone."""
    tx.connection.execute(update(traffic.decode_pending).values(due_at=0))


def take(tx: Transaction, pending: Pending) -> bool:
    """Take the row away, to write in this transaction what the uplink says.

    False where another attempt was made since.
    """
    mine = {"uplink": pending.seq, "attempt": pending.attempt}
    return tx.connection.execute(_TAKE, mine).rowcount == 1


def record(tx: Transaction, pending: Pending, outcome: Outcome) -> None:
    """Keep what an uplink said, or why it could not be read."""
    said = outcome.decode_error is None
    tx.connection.execute(
        _RECORD,
        {
            "seq": pending.seq,
            "version": outcome.version,
            "decoded": document.render(outcome.decoded) if said else None,
            "decode_error": outcome.decode_error,
            "rule_error": outcome.rule_error,
            "late": outcome.late,
        },
    )
    if said:
        latest.write(tx, list(latest.rows(pending.id, pending.uplink, outcome.decoded)))
    tx.journal(Kind.DECODED, str(pending.id))


def untold(connection: Connection, before: int, limit: int) -> list[Waiting]:
    """Uplinks admitted before a time, in microseconds, of which nobody was told; oldest first."""
    return [
        Waiting(
            seq=row.seq,
            family=row.family,
            organisation=OrganisationId(row.organisation),
            subject=SubjectId(row.subject),
        )
        for row in connection.execute(_UNTOLD, {"before": before, "limit": limit})
    ]


def tell(tx: Transaction, waiting: Sequence[Waiting]) -> None:
    """Note that somebody was told, or need not be."""
    tx.many("UPDATE decode_pending SET told = 1 WHERE uplink = ?", [(w.seq,) for w in waiting])


def count(connection: Connection) -> int:
    """How many wait."""
    return int(connection.execute(_COUNT).scalar_one())


def _pending(row: Row[tuple[object, ...]], attempt: int) -> Pending:
    return Pending(
        seq=row.seq,
        attempt=attempt,
        id=UplinkId(UUID(bytes=row.id)),
        family=row.family,
        uplink=told.uplink(row),
        subject=Subject(
            id=SubjectId(row.subject),
            organisation=OrganisationId(row.organisation),
            place=None if row.place is None else PlaceId(row.place),
        ),
    )


_u, _p = traffic.uplink.c, traffic.decode_pending.c
_free, _earlier = traffic.decode_pending.alias("free"), traffic.decode_pending.alias("earlier")
_NOW: BindParameter[int] = bindparam("now")
_HELD = (
    exists()
    .where(_earlier.c.dev_eui == _free.c.dev_eui, _earlier.c.uplink < _free.c.uplink)
    .where(_earlier.c.due_at > _NOW)
)
_FREE = select(_free.c.uplink).where(_free.c.due_at <= _NOW, ~_HELD)
_DUE = _FREE.limit(1)
_OLDEST = _FREE.order_by(_free.c.uplink).limit(bindparam("limit"))
_CLAIM = (
    update(traffic.decode_pending)
    .where(_p.uplink.in_(_OLDEST.scalar_subquery()))
    .values(due_at=bindparam("until"), attempt=_p.attempt + 1)
    .returning(_p.uplink, _p.attempt)
)
_UPLINKS = (
    select(traffic.uplink).where(_u.seq.in_(bindparam("seqs", expanding=True))).order_by(_u.seq)
)
_PUT_OFF = "UPDATE decode_pending SET due_at = ? WHERE uplink = ? AND attempt = ?"
_TAKE = text("DELETE FROM decode_pending WHERE uplink = :uplink AND attempt = :attempt")
_RECORD = text(
    "UPDATE uplink SET decoder_version = :version, decoded = :decoded,"
    " decode_error = :decode_error, rule_error = :rule_error, late = late OR :late"
    " WHERE seq = :seq"
)
_UNTOLD = (
    select(_u.seq, _u.family, _u.organisation, _u.subject)
    .join_from(traffic.decode_pending, traffic.uplink, _p.uplink == _u.seq)
    .where(_p.told.is_(False), _p.admitted_at <= bindparam("before"))
    .order_by(_p.uplink)
    .limit(bindparam("limit"))
)
_COUNT = select(func.count()).select_from(traffic.decode_pending)
