"""What came of a scenario: the ledger, when the acts happened, and what was truly on the air."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from khaen.alarm import Alarm
from khaen.clock import from_micros
from khaen.ids import DevEui, GatewayEui, SubjectId, device_subject, gateway_subject, person
from khaen.uplink import Kind, Way
from simulators.acts.subjects import Subjects
from simulators.scenario.expectation import OfCase
from simulators.twin import Tally
from store import alarms
from store.registry import Registry
from store.schema.accounts import gateway_number
from store.schema.traffic import reception, uplink

_MOST_ALARMS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """One reception: when it truly was (seconds from the start), and what the ledger says."""

    heard: float
    at: datetime
    until: datetime | None
    clock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`began` has the seconds from `start` at which the named acts happened."""

    connection: Connection
    subjects: Subjects
    start: datetime
    ended: datetime
    began: Mapping[str, float]
    sent_at: Callable[[bytes], float | None]
    tallies: Mapping[GatewayEui, Tally] = field(default_factory=dict)
    events: Mapping[tuple[DevEui, str], int] = field(default_factory=dict)
    """How often the network server told applications of a device, by kind."""

    def time(self, act: str | None) -> datetime:
        """When an act happened; the start for none."""
        return self.start + timedelta(seconds=0.0 if act is None else self.began[act])

    def subject(self, case: OfCase) -> SubjectId | None:
        """Whom a case is about; None for anyone."""
        if case.resident is not None:
            band = self.subjects.resident(case.resident)
            return device_subject(band) if case.of_band else person(case.resident)
        if case.gateway is not None:
            return gateway_subject(self.subjects.gateway(case.gateway))
        return None if case.device is None else device_subject(self.subjects.device(case.device))

    def alarms(self) -> list[Alarm]:
        """All alarms that ever were, the oldest first."""
        everywhere = frozenset(Registry.load(self.connection).organisations)
        found = alarms.listed(self.connection, everywhere, open_only=False, limit=_MOST_ALARMS)
        return found[::-1]

    def cases(self, case: OfCase, after: str | None) -> list[Alarm]:
        """The alarms of a rule and a subject that were raised after an act."""
        subject, since = self.subject(case), self.time(after)
        return [
            alarm
            for alarm in self.alarms()
            if alarm.rule == case.rule
            and subject in (None, alarm.subject)
            and alarm.raised_at >= since
        ]

    def committed(self, gateway: GatewayEui) -> int:
        """How many radio frames of a gateway are in the ledger."""
        rows = select(func.count()).where(
            gateway_number.c.gateway_eui == gateway, gateway_number.c.kind == Kind.LORAWAN.value
        )
        return int(self.connection.execute(rows).scalar_one())

    def receptions(self, gateway: GatewayEui) -> list[Dated]:
        """The receptions of a gateway by its own word, in the order in which they truly were."""
        rows = self.connection.execute(
            select(
                uplink.c.phy_payload,
                reception.c.received_at,
                reception.c.received_until,
                reception.c.clock,
            )
            .join(uplink, uplink.c.seq == reception.c.uplink)
            .where(reception.c.gateway_eui == gateway, reception.c.way != Way.NETWORK_SERVER.value)
        )
        found = []
        for row in rows:
            heard = self.sent_at(bytes(row.phy_payload or b""))
            if heard is not None:
                until = None if row.received_until is None else from_micros(row.received_until)
                at = from_micros(row.received_at)
                found.append(Dated(heard=heard, at=at, until=until, clock=str(row.clock)))
        return sorted(found, key=lambda dated: dated.heard)
