"""Records through the real reader, pipeline and engine of one version, over a ledger to throw away.

Time is that of the records; timers of rules fire when it passes them. Nobody answers there, so a
carer is assumed who closes each case some time after its last change: else every later call would
join the first. Rules that watch gateways, escalation and channels have no part in it.
"""

from __future__ import annotations

import heapq
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretBytes
from sqlalchemy import event

from alarms import engine
from ingest.in_process import InProcess, Sent
from ingest.judgement import Judgement
from ingest.version import Version
from khaen.alarm import Alarm, Change, Outcome, State
from khaen.clock import ManualClock
from khaen.errors import StoreUnavailable
from khaen.evaluation import (
    AlarmChange,
    Evaluation,
    Observation,
    Subject,
    SubjectState,
    TimerSet,
)
from khaen.ids import DevEui, SubjectId, UplinkId
from khaen.lorawan.join import SessionKeys
from khaen.reading import Decoded
from khaen.site.model import Site
from khaen.uplink import Uplink
from store import alarms, migrate, registry
from store.database import Database

BEFORE = timedelta(days=400)
"""The site is as old as raw frames are kept, so that late ones find their device and wearer."""
_ALL = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one uplink was read; `error` is why it could not be."""

    family: str
    uplink: Uplink
    decoded: Decoded = field(default_factory=Decoded)
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A case is closed `answered_s` after its last change; after the last record timers run for
    `settle_s` more. Seconds.
    """

    answered_s: float = 900.0
    settle_s: float = 3600.0


class Trial:
    """One version's run. `folder` takes its ledger. For one thread; `close` it."""

    def __init__(
        self,
        version: Version,
        folder: Path,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        start: datetime,
        terms: Terms,
    ) -> None:
        key = SecretBytes(secrets.token_bytes(32))
        self._version, self._terms = version, terms
        self._clock = ManualClock(start - BEFORE)
        self._database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=self._clock)
        event.listen(self._database.engine, "connect", _hurry)
        migrate.upgrade(self._database)
        registry.apply(self._database, _simulated(site), keys, key)
        self._seen: dict[UplinkId, Seen] = {}
        self.failures: Counter[str] = Counter()
        """Rules that raised, as `rule:error`, and `commit:error` for what could not be written."""
        self._subjects: dict[SubjectId, Subject] = {}
        self._due: list[tuple[datetime, tuple[str, ...]]] = []
        self._wanted: dict[tuple[str, ...], datetime] = {}
        self._acts = {"wake": self._wake, "answer": self._answer}
        judgement = Judgement(
            decoder=self._decode,
            version=lambda family: version.family(family).version,
            wants=partial(engine.wants, among=version.rules),
            evaluator=self._evaluate,
        )
        timeless = _Timeless(self._clock)
        self._ingest = InProcess(self._database, key, timeless, judgement=judgement)

    def close(self) -> None:
        """Close the ledger."""
        self._database.close()

    @property
    def counts(self) -> Counter[str]:
        """What became of all messages so far."""
        return self._ingest.counts

    def is_due(self, sent: Sequence[Sent]) -> bool:
        """Whether anything happens by itself before the last of these messages."""
        return bool(self._due) and self._due[0][0] <= self._last(sent)

    def take(self, sent: Sequence[Sent]) -> dict[UplinkId, Seen]:
        """Commit messages of one moment; how each new uplink in them was read."""
        self._go_on(self._last(sent))
        self._commit(sent)
        seen, self._seen = self._seen, {}
        return seen

    def end(self) -> list[Alarm]:
        """Let timers run on; all alarms of the run."""
        self._go_on(self._clock.now() + timedelta(seconds=self._terms.settle_s))
        with self._database.read() as connection:
            everybody = frozenset(self._ingest.knowledge.registry.organisations)
            return alarms.listed(connection, everybody, open_only=False, limit=_ALL)

    def _last(self, sent: Sequence[Sent]) -> datetime:
        return max((each.at for each in sent if each.at), default=self._clock.now())

    def _commit(self, sent: Sequence[Sent]) -> None:
        try:
            self._ingest.take(*sent)
        except StoreUnavailable:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - each frame by itself tells which
            if len(sent) == 1:
                self.failures[f"commit:{type(error).__name__}"] += 1
            else:
                for each in sent:
                    self._commit([each])

    # -- what the version makes of it ---------------------------------------

    def _decode(self, family: str, uplink: Uplink) -> Decoded:
        try:
            decoded = self._version.decode(family, uplink)
        except Exception as error:
            self._seen[uplink.id] = Seen(family=family, uplink=uplink, error=type(error).__name__)
            raise
        self._seen[uplink.id] = Seen(family=family, uplink=uplink, decoded=decoded)
        return decoded

    def _evaluate(
        self,
        observation: Observation,
        state: SubjectState,
        parameters: engine.Overrides,
        now: datetime,
    ) -> Evaluation:
        self._subjects[observation.subject.id] = observation.subject
        evaluation = engine.evaluate(observation, state, parameters, now, among=self._version.rules)
        self._follow(evaluation)
        return evaluation

    def _follow(self, evaluation: Evaluation) -> None:
        """Note what failed, which timers are wanted, and which cases wait for an answer."""
        subject = evaluation.state.subject
        self.failures.update(f"{each.rule}:{each.error}" for each in evaluation.failures)
        for timer in evaluation.timers:
            at = timer.due_at if isinstance(timer, TimerSet) else None
            self._want(("wake", timer.rule, subject), at)
        answered = self._clock.now() + timedelta(seconds=self._terms.answered_s)
        for change in evaluation.changes:
            at = answered if change.alarm.open else None
            self._want(("answer", change.alarm.rule, subject), at)

    # -- time ---------------------------------------------------------------

    def _want(self, what: tuple[str, ...], at: datetime | None) -> None:
        if at is None:
            self._wanted.pop(what, None)
        else:
            self._wanted[what] = at
            heapq.heappush(self._due, (at, what))

    def _go_on(self, at: datetime) -> None:
        """Let time pass, with all that is due until then."""
        while self._due and self._due[0][0] <= at:
            due, what = heapq.heappop(self._due)
            if self._wanted.get(what) == due:
                del self._wanted[what]
                self._advance(due)
                act, rule, subject = what
                self._acts[act](rule, SubjectId(subject), due)
        self._advance(at)

    def _advance(self, at: datetime) -> None:
        self._clock.advance(max(0.0, (at - self._clock.now()).total_seconds()))

    def _wake(self, rule: str, subject: SubjectId, due: datetime) -> None:
        now, parameters = self._clock.now(), self._ingest.knowledge.registry.parameters
        with self._database.write() as tx:
            state = alarms.states(tx, [subject])[subject]
            evaluation = engine.tick(
                rule,
                self._subjects[subject],
                state,
                parameters,
                due,
                now,
                among=self._version.rules,
            )
            alarms.record(tx, evaluation)
        self._follow(evaluation)

    def _answer(self, rule: str, subject: SubjectId, due: datetime) -> None:
        with self._database.write() as tx:
            alarm = alarms.states(tx, [subject])[subject].open.get(rule)
            if alarm is not None:
                closed = replace(alarm, state=State.NORMAL, closed_at=due, outcome=Outcome.TEST)
                alarms.change(tx, AlarmChange(alarm=closed, change=Change.CLOSED, at=due))


class _Timeless:
    """A clock by which no time passes: the site does not change, so nobody looks for changes."""

    def __init__(self, clock: ManualClock) -> None:
        self.now = clock.now

    def monotonic(self) -> float:
        """Always the same."""
        return 0.0


def _simulated(site: Site) -> Site:
    """The site with nobody real in it: frames of every origin are taken, and none is paged."""
    organisations = tuple(
        each.model_copy(update={"simulated": True}) for each in site.organisations
    )
    return site.model_copy(update={"organisations": organisations})


def _hurry(dbapi: Any, _record: Any) -> None:
    """What is thrown away need not survive a power cut."""
    dbapi.execute("PRAGMA synchronous=OFF")
