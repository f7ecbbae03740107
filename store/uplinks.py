"""Admission: uplinks and their receptions, a group of frames in one transaction.

A `Group` reads what is known of a group's frames in a few statements, gathers what they change,
and writes it at its end. Whoever uses it owns the transaction; nothing is kept across groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, select

from khaen.clock import Rung, from_micros, to_micros
from khaen.evaluation import Subject
from khaen.ids import DevAddr, DevEui, GatewayEui, SubjectId, UplinkId
from khaen.reading import Decoded
from khaen.uplink import Number, Reception, Uplink, Way
from store import document, latest
from store.database import Transaction
from store.hearing import NOWHERE, Heard, Hearing
from store.journal import Kind
from store.schema import registry, traffic
from store.statements import Statements, inserting, placeholders, replacing

NO_ADDRESS = DevAddr("00000000")
"""Stands for the DevAddr of what is no LoRaWAN."""
LATE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Mark:
    """The highest counter of one generation, and when it was heard at the latest (microseconds)."""

    generation: int
    f_cnt: int
    at: int


@dataclass(slots=True)
class _Admitted:
    """A new uplink until the group is written."""

    uplink: Uplink
    family: str
    subject: Subject
    late: bool
    decoder_version: int | None = None
    decoded: str | None = None
    decode_error: str | None = None
    rule_error: str | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a first copy: either `decoded` or `decode_error`; rules that failed on it."""

    decoded: Decoded = field(default_factory=Decoded)
    version: int | None = None
    decode_error: str | None = None
    rule_error: str | None = None
    late: bool = False


class Group:
    """The uplinks of one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._hearings: dict[UplinkId, Hearing] = {}
        self._admitted: dict[UplinkId, _Admitted] = {}
        self._marks: dict[tuple[DevEui, DevAddr], dict[int, Mark]] = {}
        self._moved: set[tuple[DevEui, DevAddr, int]] = set()
        self._latest: list[latest.Row] = []
        self._deferred: list[UplinkId] = []
        self._heard_by: dict[tuple[SubjectId, GatewayEui], int] = {}
        self._next = 0

    # -- what is known ------------------------------------------------------

    def prefetch_marks(self, devices: Iterable[tuple[DevEui, DevAddr]]) -> None:
        """Read the counters of these devices."""
        self._marks.update((device, {}) for device in devices)
        wanted = sorted({dev_eui for dev_eui, _ in self._marks})
        if not wanted:
            return
        for row in self._tx.fetch(_MARKS + placeholders(len(wanted)), wanted):
            marks = self._marks.get((row[0], row[1]))
            if marks is not None:
                marks[row[2]] = Mark(row[2], row[3], row[4])

    def prefetch(self, ids: Iterable[UplinkId]) -> None:
        """Read which of these uplinks are known, and who heard them."""
        wanted = [uplink_id.bytes for uplink_id in ids]
        if not wanted:
            return
        by_seq: dict[int, Hearing] = {}
        for id_, seq, received_at, count, has_phy in self._tx.fetch(
            _KNOWN + placeholders(len(wanted)), wanted
        ):
            found = Hearing(
                id=_uuid(id_),
                seq=seq,
                new=False,
                received_at=received_at,
                count=count,
                has_phy=bool(has_phy),
            )
            self._hearings[found.id] = by_seq[seq] = found
        if by_seq:
            self._read_receptions(by_seq)

    def marks(self, dev_eui: DevEui, dev_addr: DevAddr) -> list[Mark]:
        """The device's counters under this address, newest generation first; prefetched."""
        marks = self._marks.get((dev_eui, dev_addr), {})
        return sorted(marks.values(), key=lambda mark: -mark.generation)

    def heard_at(self, uplink_id: UplinkId) -> int | None:
        """When a known uplink was heard (microseconds), None for a new one; prefetched."""
        found = self._hearings.get(uplink_id)
        return None if found is None else found.received_at

    def twin(
        self, dev_eui: DevEui, payload: bytes, gateway: GatewayEui, start: int, end: int
    ) -> UplinkId | None:
        """An uplink without a counter, of equal bytes, that another gateway heard in this time."""
        place = {"e": dev_eui, "a": NO_ADDRESS, "start": start, "end": end, "p": payload}
        ids = [_uuid(row.id) for row in self._tx.connection.execute(_TWINS, place)]
        self.prefetch(found for found in ids if found not in self._hearings)
        ids += [
            id_
            for id_, row in self._admitted.items()
            if (row.uplink.dev_eui, row.uplink.dev_addr, row.uplink.payload)
            == (dev_eui, NO_ADDRESS, payload)
            and start <= self._hearings[id_].received_at <= end
        ]
        for id_ in ids:
            if all(heard_by != gateway for heard_by, _ in self._hearings[id_].by_key):
                return id_
        return None

    def around(
        self, dev_eui: DevEui, dev_addr: DevAddr, generation: int, start: int, end: int
    ) -> tuple[int | None, frozenset[int], int | None]:
        """A generation's counters: the last heard before `start`, all between, the first after.

        Times in microseconds.
        """
        place = {"e": dev_eui, "a": dev_addr, "g": generation, "start": start, "end": end}
        connection = self._tx.connection
        heard = {
            (row.received_at, row.f_cnt)
            for query in (_BEFORE, _BETWEEN, _AFTER)
            for row in connection.execute(query, place)
        }
        heard |= {
            (self._hearings[id_].received_at, row.uplink.f_cnt)
            for id_, row in self._admitted.items()
            if (row.uplink.dev_eui, row.uplink.dev_addr, row.uplink.generation)
            == (dev_eui, dev_addr, generation)
        }
        before = max((each for each in heard if each[0] < start), default=None)
        after = min((each for each in heard if each[0] > end), default=None)
        return (
            None if before is None else before[1],
            frozenset(f_cnt for at, f_cnt in heard if start <= at <= end),
            None if after is None else after[1],
        )

    # -- what changes -------------------------------------------------------

    def admit(self, uplink: Uplink, uplink_id: UplinkId, family: str, subject: Subject) -> bool:
        """Insert, or add the receptions to what is known; True for the first copy only."""
        now = self._tx.now
        hearing = self._hearings.get(uplink_id)
        first = hearing is None
        if hearing is None:
            hearing = self._admit(uplink, uplink_id, family, subject)
        else:
            hearing.fill(uplink.phy_payload)
        merged = False
        for reception in uplink.receptions:
            if hearing.add(reception, now):
                merged = True
                self._note_coverage(subject.id, reception)
        if first:
            self._tx.journal(Kind.ADMITTED, str(uplink_id))
        elif merged:
            self._tx.journal(Kind.MERGED, str(uplink_id))
        return first

    def record(self, uplink_id: UplinkId, outcome: Outcome) -> None:
        """Keep what a first copy of this group said, or why that could not be read."""
        row = self._admitted[uplink_id]
        row.late = row.late or outcome.late
        row.decoder_version = outcome.version
        row.decode_error, row.rule_error = outcome.decode_error, outcome.rule_error
        if outcome.decode_error is None:
            row.decoded = document.render(outcome.decoded)
            self._latest += latest.rows(uplink_id, row.uplink, outcome.decoded)

    def defer(self, uplink_id: UplinkId) -> None:
        """Leave a first copy of this group to be decoded later (`store.pending`)."""
        self._deferred.append(uplink_id)

    def newest_counters(self) -> list[tuple[DevEui, DevAddr, int]]:
        """The counters that this group moved on, each in its device's newest generation."""
        return [
            (dev_eui, dev_addr, marks[generation].f_cnt)
            for dev_eui, dev_addr, generation in self._moved
            if generation == max(marks := self._marks[dev_eui, dev_addr])
        ]

    def flush(self) -> None:
        """Write it all."""
        engine, tx = self._tx.connection.engine, self._tx
        hearings = [h for h in self._hearings.values() if h.changed]
        tx.many(
            _SQL.sql(engine, "uplink"),
            [self._uplink_row(h, self._admitted[h.id]) for h in hearings if h.new],
        )
        waiting = ((self._hearings[each], self._admitted[each]) for each in self._deferred)
        tx.many(_DEFER, [(h.seq, row.uplink.dev_eui, tx.now) for h, row in waiting])
        tx.many(_MERGE, [(h.count, h.phy_payload, h.seq) for h in hearings if not h.new])
        tx.many(_SQL.sql(engine, "reception"), [row for h in hearings for row in h.rows()])
        latest.write(tx, self._latest)
        tx.many(_HEARD_BY, [(*key, at) for key, at in self._heard_by.items()])
        marks = ((e, a, self._marks[e, a][g]) for e, a, g in self._moved)
        tx.many(
            _SQL.sql(engine, "mark"), [(e, a, m.generation, m.f_cnt, m.at) for e, a, m in marks]
        )

    # -- inside -------------------------------------------------------------

    def _admit(self, uplink: Uplink, uplink_id: UplinkId, family: str, subject: Subject) -> Hearing:
        head = uplink.receptions[0]
        at = to_micros(head.received_at)
        hearing = Hearing(
            id=uplink_id,
            seq=self._take_seq(),
            new=True,
            received_at=at,
            count=0,
            has_phy=uplink.phy_payload is not None,
            phy_payload=uplink.phy_payload,
            changed=True,
        )
        self._hearings[uplink_id] = hearing
        self._admitted[uplink_id] = _Admitted(
            uplink,
            family,
            subject,
            late=head.clock is Rung.BETWEEN
            or from_micros(self._tx.now) - head.received_at > LATE_AFTER,
        )
        self._move_mark(uplink, to_micros(head.received_until or head.received_at))
        return hearing

    def _take_seq(self) -> int:
        if not self._next:
            self._next = (self._tx.fetch("SELECT max(seq) FROM uplink", ())[0][0] or 0) + 1
        seq = self._next
        self._next += 1
        return seq

    def _move_mark(self, uplink: Uplink, at: int) -> None:
        marks = self._marks.setdefault((uplink.dev_eui, uplink.dev_addr), {})
        mark = marks.get(uplink.generation)
        if mark is None or uplink.f_cnt > mark.f_cnt:
            marks[uplink.generation] = Mark(uplink.generation, uplink.f_cnt, at)
            self._moved.add((uplink.dev_eui, uplink.dev_addr, uplink.generation))

    def _note_coverage(self, subject: SubjectId, reception: Reception) -> None:
        if reception.gateway_eui == NOWHERE:
            return
        key, at = (subject, reception.gateway_eui), to_micros(reception.received_at)
        if at > self._heard_by.get(key, 0):
            self._heard_by[key] = at

    def _uplink_row(self, hearing: Hearing, row: _Admitted) -> tuple[object, ...]:
        uplink, subject = row.uplink, row.subject
        return (
            hearing.seq,
            hearing.id.bytes,
            uplink.dev_eui,
            uplink.dev_addr,
            uplink.generation,
            uplink.f_cnt,
            uplink.f_port,
            uplink.payload,
            hearing.phy_payload,
            uplink.confirmed,
            uplink.origin.value,
            subject.organisation,
            subject.place,
            subject.id,
            hearing.received_at,
            uplink.receptions[0].clock.value,
            self._tx.now,
            row.late,
            row.family,
            row.decoder_version,
            row.decoded,
            row.decode_error,
            row.rule_error,
            hearing.count,
        )

    def _read_receptions(self, by_seq: dict[int, Hearing]) -> None:
        for row in self._tx.connection.execute(_RECEPTIONS, {"seqs": sorted(by_seq)}):
            number = None if row.epoch is None else Number(epoch=row.epoch, seq=row.seq)
            reception = Reception(
                gateway_eui=GatewayEui(row.gateway_eui),
                way=Way(row.way),
                received_at=from_micros(row.received_at),
                clock=Rung(row.clock),
                number=number,
                context=row.context,
            )
            hearing = by_seq[row.uplink]
            hearing.by_key[reception.gateway_eui, row.context] = Heard(
                reception, row.context, row.ingested_at, False
            )


def _uuid(data: bytes) -> UplinkId:
    return UplinkId(UUID(bytes=data))


_u = traffic.uplink.c
_KNOWN = "SELECT id, seq, received_at, receptions, phy_payload IS NOT NULL FROM uplink WHERE id IN "
_MARKS = (
    "SELECT dev_eui, dev_addr, generation, f_cnt_max, f_cnt_max_at FROM counter_mark"
    " WHERE dev_eui IN "
)
_RECEPTIONS = select(traffic.reception).where(
    traffic.reception.c.uplink.in_(bindparam("seqs", expanding=True))
)
_PLACE = (
    (_u.dev_eui == bindparam("e"))
    & (_u.dev_addr == bindparam("a"))
    & (_u.generation == bindparam("g"))
)
_COUNTERS = select(_u.f_cnt, _u.received_at).where(_PLACE)
_BEFORE = (
    _COUNTERS.where(_u.received_at < bindparam("start")).order_by(_u.received_at.desc()).limit(1)
)
_BETWEEN = _COUNTERS.where(_u.received_at.between(bindparam("start"), bindparam("end")))
_AFTER = _COUNTERS.where(_u.received_at > bindparam("end")).order_by(_u.received_at).limit(1)
_TWINS = (
    select(_u.id)
    .where(_u.dev_eui == bindparam("e"), _u.dev_addr == bindparam("a"))
    .where(_u.received_at.between(bindparam("start"), bindparam("end")))
    .where(_u.payload == bindparam("p"))
    .order_by(_u.received_at)
)
_SQL = Statements(
    uplink=inserting(traffic.uplink),
    reception=replacing(traffic.reception, keep=frozenset({"ingested_at"})),
    mark=replacing(registry.counter_mark),
)
_DEFER = (
    "INSERT INTO decode_pending (uplink, dev_eui, admitted_at, due_at, attempt, told)"
    " VALUES (?, ?, ?, 0, 0, 0)"
)
_MERGE = "UPDATE uplink SET receptions = ?, phy_payload = coalesce(phy_payload, ?) WHERE seq = ?"
_HEARD_BY = (
    "INSERT INTO heard_by (subject, gateway_eui, at) VALUES (?, ?, ?)"
    " ON CONFLICT (subject, gateway_eui) DO UPDATE SET at = max(heard_by.at, excluded.at)"
)
