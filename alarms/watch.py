"""The look at gateways and at ingest: who is silent, who is unseen for it, whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alarms import engine, firing, machine, outage, silence
from alarms.desk import Desk
from alarms.outage import Concern
from alarms.silence import Gateway
from khaen.alarm import Priority
from khaen.evaluation import Evaluation, Silence, SubjectState
from khaen.ids import GatewayEui, OrganisationId, SubjectId, gateway_subject
from khaen.log import logger
from store import alarms, coverage, liveness
from store.database import Transaction
from store.registry import Registry

DOWN = "gateway_down"
PIPELINE = "pipeline"
COVERAGE = timedelta(hours=24)
"""Whoever a gateway heard within this time is one whom it sees."""
INGEST_GONE = timedelta(seconds=5 * liveness.BEAT_S)

States = Mapping[SubjectId, SubjectState]

_log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look found: `trouble` is why all is silent, if it is; `silences` whom to ask of."""

    trouble: str | None
    silences: tuple[Silence, ...] = ()
    overdue: int = 0


class Watch:
    """Looks at all gateways of the registry. In the SQL thread only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._begun = desk.now()

    def look(self) -> None:
        """Look once, and write only where something changed. Raises StoreUnavailable."""
        now = self._desk.now()
        with self._desk.database.read() as connection:
            registry = self._desk.registry(connection)
            told = alarms.open_subjects(connection, DOWN)
            own = (gateway_subject(eui) for eui in registry.gateways)
            states = alarms.states(connection, {*own, *told})
            finding = self._find(connection, registry, states, now)
            pipelines = self._pipelines(connection, registry, finding)
        for silent in finding.silences:
            concerns = outage.share(registry, silent, told, now)
            if any(self._is_news(registry, concern, states, now) for concern in concerns):
                with self._desk.database.write() as tx:
                    self._record(tx, registry, concerns, now)
        for organisation in pipelines:
            with self._desk.database.write() as tx:
                self._mind_pipeline(tx, organisation, finding.trouble, now)
        self._desk.counts.looks.inc()
        self._desk.counts.silent.set(finding.overdue)

    def interval_s(self) -> float:
        """How long until the next look, in seconds."""
        return min(2.0, self._desk.settings.alarms.heartbeat_s / 8)

    def _find(
        self, connection: Connection, registry: Registry, states: States, now: datetime
    ) -> Finding:
        if not registry.gateways:
            return Finding(trouble=None)
        limit = timedelta(seconds=self._parameters(registry)[DOWN]["silent_s"])
        since, seen_at = self._ingest(connection, now)
        if since is None:  # nobody listens: that says nothing about any gateway
            gone = now - max(seen_at or self._begun, self._begun) > max(limit, INGEST_GONE)
            return Finding(trouble="ingest_silent" if gone else None)
        found = silence.look(
            _gateways(registry, states, coverage.gateways(connection)),
            since=since,
            now=now,
            limit=limit,
        )
        asked = [g for g in found.heard if not (found.together and g.eui in found.overdue)]
        return Finding(
            trouble="gateways_silent" if found.together else None,
            silences=tuple(
                Silence(
                    gateway_eui=gateway.eui,
                    last_heard=gateway.last_heard,
                    unseen=self._unseen(connection, gateway, found, now),
                )
                for gateway in asked
            ),
            overdue=len(found.overdue),
        )

    def _ingest(
        self, connection: Connection, now: datetime
    ) -> tuple[datetime | None, datetime | None]:
        """Since when any ingest listens, None when none does; and when one last said so."""
        programs = [
            found
            for name, found in liveness.read(connection).items()
            if name.partition("-")[0] == liveness.INGEST
        ]
        live = [found.since for found in programs if now - found.at <= INGEST_GONE]
        return min(live, default=None), max((found.at for found in programs), default=None)

    def _unseen(
        self, connection: Connection, gateway: Gateway, found: silence.Look, now: datetime
    ) -> tuple[SubjectId, ...]:
        if gateway.down or gateway.eui not in found.overdue:
            return ()
        return coverage.unseen(connection, gateway.eui, silent=found.overdue, since=now - COVERAGE)

    def _parameters(self, registry: Registry) -> Mapping[str, Mapping[str, float]]:
        own = {"silent_s": self._desk.settings.alarms.heartbeat_s}
        return {**registry.parameters, DOWN: {**own, **registry.parameters.get(DOWN, {})}}

    def _is_news(self, registry: Registry, concern: Concern, states: States, now: datetime) -> bool:
        subject = concern.subject.id
        state = states.get(subject, SubjectState(subject=subject))
        evaluation = self._evaluate(registry, concern, state, now)
        return bool(
            evaluation.changes
            or evaluation.timers
            or evaluation.failures
            or evaluation.state.rules != state.rules
        )

    def _record(
        self, tx: Transaction, registry: Registry, concerns: Sequence[Concern], now: datetime
    ) -> None:
        """All organisations together, so that none is forgotten when this program is killed."""
        states = alarms.states(tx, [concern.subject.id for concern in concerns])
        for concern in concerns:
            evaluation = self._evaluate(registry, concern, states[concern.subject.id], now)
            firing.record(self._desk, tx, concern.subject.organisation, evaluation)

    def _evaluate(
        self, registry: Registry, concern: Concern, state: SubjectState, now: datetime
    ) -> Evaluation:
        parameters = self._parameters(registry)
        return engine.watch(concern.silence, concern.subject, state, parameters, now)

    def _pipelines(
        self, connection: Connection, registry: Registry, finding: Finding
    ) -> list[OrganisationId]:
        """The organisations at the top whose pipeline alarm is to be raised or cleared."""
        found = []
        for organisation in sorted({_root(registry, g) for g in registry.gateways}):
            subject = pipeline_subject(organisation)
            alarm = alarms.states(connection, [subject])[subject].open.get(PIPELINE)
            standing = alarm is not None and alarm.state in machine.STANDING
            if standing != (finding.trouble is not None):
                found.append(organisation)
        return found

    def _mind_pipeline(
        self, tx: Transaction, organisation: OrganisationId, trouble: str | None, now: datetime
    ) -> None:
        subject = pipeline_subject(organisation)
        alarm = alarms.states(tx, [subject])[subject].open.get(PIPELINE)
        standing = alarm is not None and alarm.state in machine.STANDING
        if trouble is not None and not standing:
            _log.error("pipeline_silent", organisation=organisation, reason=trouble)
            alarms.raise_technical(
                tx,
                organisation=organisation,
                subject=subject,
                rule=PIPELINE,
                priority=Priority.P1,
                reason=trouble,
                event_at=now,
            )
        elif trouble is None and alarm is not None and standing:
            gone = machine.clear(alarm, latching=False, at=now)
            assert gone is not None
            alarms.change(tx, gone)


def pipeline_subject(organisation: OrganisationId) -> SubjectId:
    """Whom the alarm is about that says that nothing comes in: all of a top organisation's site."""
    return SubjectId(f"site:{organisation}")


def _gateways(
    registry: Registry, states: States, heard: Mapping[GatewayEui, coverage.Heard]
) -> list[Gateway]:
    found = []
    for eui in registry.gateways:
        seen = heard.get(eui)
        if seen is not None and seen.heartbeat_at is None and seen.frame_at is not None:
            continue  # of another make: it never says that it lives
        alarm = states[gateway_subject(eui)].open.get(DOWN)
        down = alarm is not None and alarm.state in machine.STANDING
        last = seen.heartbeat_at if seen else None
        found.append(Gateway(eui=eui, last_heard=last, down=down))
    return found


def _root(registry: Registry, gateway: GatewayEui) -> OrganisationId:
    current = registry.gateways[gateway].organisation
    seen = {current}
    while (record := registry.organisations.get(current)) is not None:
        if record.parent is None or record.parent in seen:
            break
        current = record.parent
        seen.add(current)
    return current
