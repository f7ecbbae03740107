"""Rules applied to one subject: observations, due timers and silences in, changes out. Pure.

Each rule runs by itself: one that fails costs itself only. Urgent rules (calls, falls) run first,
and a failure with what they remembered makes them run once more with nothing remembered: rather
an alarm twice than none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial

from alarms.rule import Rule, Situation, Verdict
from khaen import plugins
from khaen.alarm import Alarm
from khaen.evaluation import (
    EMPTY,
    AlarmChange,
    Evaluation,
    Json,
    Observation,
    RuleFailure,
    Silence,
    Subject,
    SubjectState,
    TimerCancelled,
    TimerSet,
)
from khaen.reading import Decoded, EventKind

LATE_AFTER = timedelta(minutes=10)
"""An observation that comes this long after it was heard is late, whatever came before."""

Overrides = Mapping[str, Mapping[str, float]]
"""What the registry says otherwise than the rules' defaults: rule, parameter, value."""


Rules = tuple[Rule, ...]
"""A whole set of rules, in the order in which they run."""


@cache
def rules() -> Rules:
    """All rules, urgent ones first. Raises SettingsError for a module that is none."""
    return _ordered(plugins.load_all("alarms.rules", "RULE", Rule, lambda rule: rule.id))


def beside(folder: str) -> Rules:
    """All rules with those of a folder's files in place of or beside today's.

    Raises SettingsError.
    """
    today = {rule.id: rule for rule in rules()}
    return _ordered(today | plugins.load_beside(folder, "RULE", Rule, lambda rule: rule.id))


def _ordered(found: Mapping[str, Rule]) -> Rules:
    return tuple(sorted(found.values(), key=lambda rule: (not rule.urgent, rule.id)))


@cache
def _listened() -> tuple[frozenset[EventKind], frozenset[str]]:
    return _of(rules())


def _of(among: Rules) -> tuple[frozenset[EventKind], frozenset[str]]:
    """The events and the quantities that any of these rules listens to."""
    events = frozenset[EventKind]().union(*(rule.events for rule in among))
    return events, frozenset[str]().union(*(rule.quantities for rule in among))


def wants(decoded: Decoded, *, among: Rules | None = None) -> bool:
    """Whether any rule listens to this: false for most telemetry, before any state is read."""
    events, quantities = _listened() if among is None else _of(among)
    return any(event.kind in events for event in decoded.events) or any(
        reading.quantity in quantities for reading in decoded.readings
    )


def evaluate(
    observation: Observation,
    state: SubjectState,
    parameters: Overrides,
    now: datetime,
    *,
    among: Rules | None = None,
) -> Evaluation:
    """What one first copy of an uplink leads to, by today's rules or `among` others.

    It is late when the caller says so (dated by a span only), when it is older than the state's
    last event, or when it comes more than 10 minutes after it was heard. What is late, or of a
    doubtful counter, never moves `event_at`. The state that is returned is whole; write it back
    as it is.
    """
    observation = replace(observation, late=is_late(observation, state, now))
    run = _Run(state, observation.subject, parameters, now)
    for rule in rules() if among is None else among:
        observe = rule.observe
        if observe is not None and _concerns(rule, observation.decoded):
            run.apply(rule, partial(observe, observation))
    if observation.late or not observation.fresh:
        return run.outcome()
    return run.outcome(event_at=observation.event_at)


def is_late(observation: Observation, state: SubjectState, now: datetime) -> bool:
    """Whether an observation is late; see `evaluate`."""
    return (
        observation.late
        or now - observation.event_at > LATE_AFTER
        or (state.event_at is not None and observation.event_at < state.event_at)
    )


def tick(
    rule: str,
    subject: Subject,
    state: SubjectState,
    parameters: Overrides,
    due_at: datetime,
    now: datetime,
    *,
    among: Rules | None = None,
) -> Evaluation:
    """What a rule's due timer leads to. A rule that is no longer there leads to nothing."""
    run = _Run(state, subject, parameters, now)
    for found in rules() if among is None else among:
        wake = found.wake
        if found.id == rule and wake is not None:
            run.apply(found, partial(wake, due_at))
    return run.outcome()


def watch(
    silence: Silence,
    subject: Subject,
    state: SubjectState,
    parameters: Overrides,
    now: datetime,
) -> Evaluation:
    """What a look at a gateway leads to. Look at each gateway every few seconds.

    `subject` is the gateway's own (`khaen.ids.gateway_subject`), with its organisation.
    """
    run = _Run(state, subject, parameters, now)
    for rule in rules():
        look = rule.watch
        if look is not None:
            run.apply(rule, partial(look, silence))
    return run.outcome()


def _concerns(rule: Rule, decoded: Decoded) -> bool:
    return any(event.kind in rule.events for event in decoded.events) or any(
        reading.quantity in rule.quantities for reading in decoded.readings
    )


class _Run:
    """One evaluation: what the rules have made of the state so far."""

    def __init__(
        self, state: SubjectState, subject: Subject, parameters: Overrides, now: datetime
    ) -> None:
        self._state = state
        self._subject = subject
        self._parameters = parameters
        self._now = now
        self._rules: dict[str, Json] = dict(state.rules)
        self._open: dict[str, Alarm] = dict(state.open)
        self._changes: list[AlarmChange] = []
        self._timers: list[TimerSet | TimerCancelled] = []
        self._failures: list[RuleFailure] = []

    def apply(self, rule: Rule, ask: Callable[[Situation], Verdict]) -> None:
        """Ask one rule, and take its verdict whole or not at all."""
        for memory in self._memories(rule):
            try:
                verdict = ask(self._situation(rule, memory))
                json.dumps(dict(verdict.memory), allow_nan=False)
            except Exception as error:  # noqa: BLE001 - a rule that throws costs itself only
                self._failures.append(RuleFailure(rule=rule.id, error=type(error).__name__))
            else:
                self._take(rule, verdict)
                return

    def outcome(self, *, event_at: datetime | None = None) -> Evaluation:
        """The evaluation; `event_at` moves the state on."""
        return Evaluation(
            state=replace(
                self._state,
                event_at=event_at or self._state.event_at,
                rules=self._rules,
                open=self._open,
            ),
            changes=tuple(self._changes),
            timers=tuple(self._timers),
            failures=tuple(self._failures),
        )

    def _memories(self, rule: Rule) -> Iterable[Json]:
        memory = self._rules.get(rule.id, EMPTY)
        return (memory, EMPTY) if rule.urgent and memory else (memory,)

    def _situation(self, rule: Rule, memory: Json) -> Situation:
        return Situation(
            subject=self._subject,
            now=self._now,
            memory=memory,
            alarm=self._open.get(rule.id),
            parameters={**rule.defaults, **self._parameters.get(rule.id, {})},
        )

    def _take(self, rule: Rule, verdict: Verdict) -> None:
        if verdict.memory or rule.id in self._rules:
            self._rules[rule.id] = dict(verdict.memory)
        for change in verdict.changes:
            if change.alarm.open:
                self._open[rule.id] = change.alarm
            else:
                self._open.pop(rule.id, None)
        self._changes.extend(verdict.changes)
        if verdict.timer is not None:
            self._timers.append(verdict.timer)
