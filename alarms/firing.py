"""Due timers: rules are woken, plans go on to their next step. Each in its own transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from alarms import engine, escalation
from alarms.channel import channels
from alarms.desk import Desk
from alarms.escalation import Moment
from alarms.subject import find_subject
from khaen.alarm import WAITING, Alarm, Priority
from khaen.evaluation import Evaluation
from khaen.ids import OrganisationId, SubjectId
from khaen.log import logger
from store import alarms, notifications, timers
from store.database import Transaction
from store.records import PlanRecord
from store.registry import Registry
from store.timers import Timer, TimerKind

LEASE_S = 10.0
LOOK_AGAIN = timedelta(seconds=60)
"""How soon an alarm whose organisation has no plan is looked at again."""

_log = logger()


def claim(desk: Desk, tx: Transaction) -> list[Timer]:
    """Lease what is due. A timer that brings its program down rests for the lease, no other."""
    return timers.claim(tx, by=desk.id, lease_s=LEASE_S)


def fire(desk: Desk, timer: Timer, tx: Transaction) -> None:
    """Act on one claimed timer; nothing where it was cancelled or set anew meanwhile."""
    if not timers.take(tx, timer, by=desk.id):
        return
    now, registry = desk.now(), desk.registry(tx.connection)
    if timer.kind is TimerKind.RULE:
        _wake(desk, tx, registry, timer, now)
    elif timer.alarm is not None and (alarm := alarms.get(tx, timer.alarm)) is not None:
        plan = registry.plan(alarm.organisation)
        if timer.kind is TimerKind.AGAIN:
            if plan is not None and alarm.open:
                for step, _ in escalation.first(plan):
                    _queue(desk, tx, registry, alarm, plan, Moment(step=step, round=0, due_at=now))
        elif alarm.state in WAITING:
            _escalate(desk, tx, registry, alarm, plan, timer, now)
    desk.counts.timers.labels(timer.kind).inc()


def _wake(desk: Desk, tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    state = alarms.states(tx, [timer.subject])[timer.subject]
    subject = find_subject(registry, timer.subject, state, now)
    if subject is None:
        _log.error("timer_dropped", rule=timer.rule, reason="subject_unknown")
        desk.counts.errors.labels("subject_unknown").inc()
        return
    record(
        desk,
        tx,
        subject.organisation,
        engine.tick(timer.rule, subject, state, registry.parameters, timer.due_at, now),
    )


def record(
    desk: Desk, tx: Transaction, organisation: OrganisationId, evaluation: Evaluation
) -> None:
    """Record an evaluation; a rule that failed in it is an alarm for engineers."""
    alarms.record(tx, evaluation)
    for failure in evaluation.failures:
        _log.error("rule_failed", rule=failure.rule, error=failure.error)
        desk.counts.rules.labels(failure.rule).inc()
        alarms.raise_technical(
            tx,
            organisation=organisation,
            subject=SubjectId(f"rule:{failure.rule}"),
            rule="pipeline",
            priority=Priority.P2,
            reason="rule_error",
            event_at=desk.now(),
        )


def _escalate(
    desk: Desk,
    tx: Transaction,
    registry: Registry,
    alarm: Alarm,
    plan: PlanRecord | None,
    timer: Timer,
    now: datetime,
) -> None:
    if plan is None:
        _say_unreachable(desk, tx, registry, alarm, timer, now)
        return
    if timer.step is None:
        moment = escalation.begin(plan, timer.due_at, round=timer.round)
    else:
        moment = Moment(step=timer.step, round=timer.round, due_at=timer.due_at)
    due, following = escalation.fire(plan, moment, now)
    for each in due:
        _queue(desk, tx, registry, alarm, plan, each)
    put(tx, alarm, following)


def put(tx: Transaction, alarm: Alarm, moment: Moment) -> None:
    """Set the timer of an alarm's plan to its next step."""
    timers.put(
        tx,
        Timer(
            kind=TimerKind.ESCALATION,
            subject=alarm.subject,
            rule=alarm.rule,
            due_at=moment.due_at,
            alarm=alarm.id,
            step=moment.step,
            round=moment.round,
        ),
    )


def _say_unreachable(
    desk: Desk, tx: Transaction, registry: Registry, alarm: Alarm, timer: Timer, now: datetime
) -> None:
    """Nobody is called beyond the screen: say so once, and look again, for a plan may come."""
    timers.put(
        tx,
        Timer(
            kind=TimerKind.ESCALATION,
            subject=alarm.subject,
            rule=alarm.rule,
            due_at=now + LOOK_AGAIN,
            alarm=alarm.id,
            round=timer.round + 1,
        ),
    )
    desk.counts.refused.labels("no_plan").inc()
    if timer.round == 0:
        _log.warning("alarm_without_plan", organisation=alarm.organisation, alarm=alarm.id)
        if not registry.is_simulated(alarm.organisation):
            alarms.raise_technical(
                tx,
                organisation=alarm.organisation,
                subject=SubjectId(f"organisation:{alarm.organisation}"),
                rule="unreachable",
                priority=Priority.P3,
                reason="no_plan",
                event_at=now,
            )


def _queue(
    desk: Desk,
    tx: Transaction,
    registry: Registry,
    alarm: Alarm,
    plan: PlanRecord,
    moment: Moment,
) -> None:
    """Queue the call of one step; a real channel is never used for a simulated organisation."""
    step = plan.steps[moment.step]
    channel = channels().get(step.channel)
    simulated = alarm.simulated or registry.is_simulated(alarm.organisation)
    refused = "simulated" if simulated and not (channel and channel.safe) else None
    notifications.supersede(tx, alarm.id, channel=step.channel, address=step.to)
    notifications.queue(
        tx,
        alarm.id,
        step=moment.step,
        round=moment.round,
        channel=step.channel,
        address=step.to,
        refused=refused,
    )
    if refused:
        desk.counts.refused.labels(refused).inc()
    else:
        desk.counts.queued.labels(step.channel).inc()
