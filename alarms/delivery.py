"""The queue of notifications handed to channels: claimed, sent, and settled by what came of it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta

from alarms import escalation, firing, machine
from alarms.channel import Channel, Message, channels, read_target
from alarms.desk import Desk
from alarms.escalation import Moment
from khaen.alarm import Alarm, Change, Priority
from khaen.errors import ChannelFailed
from khaen.evaluation import AlarmChange
from khaen.ids import SubjectId
from khaen.log import logger
from store import alarms, notifications, timers
from store.database import Transaction
from store.notifications import Notification
from store.registry import Registry
from store.timers import TimerKind

LEASE_S = 30.0
TIMEOUT_S = 10.0
AT_ONCE = 16
FOR_P1 = 4
TRIES = 6
RETRY_CAP_S = 60.0
RULE = "channel"

_log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed notification with what its channel needs; `refused` says why it cannot go."""

    entry: Notification
    alarm: Alarm
    channel: Channel | None = None
    target: tuple[str, ...] = ()
    refused: str | None = None


def claim(desk: Desk, free: int, tx: Transaction) -> list[Job]:
    """Lease as many due calls as hands are `free`, and look up where they go.

    The last hands wait for P1: calls that hang must not hold up a call for help.
    """
    registry = desk.registry(tx.connection)
    found = notifications.claim(tx, by=desk.id, lease_s=LEASE_S, limit=free, least=Priority.P1)
    if (rest := free - len(found) - FOR_P1) > 0:
        found += notifications.claim(tx, by=desk.id, lease_s=LEASE_S, limit=rest)
    jobs = []
    for entry in found:
        alarm = alarms.get(tx, entry.alarm)
        if alarm is not None:
            jobs.append(_prepare(registry, entry, alarm))
    return jobs


def _prepare(registry: Registry, entry: Notification, alarm: Alarm) -> Job:
    channel = channels().get(entry.channel)
    address = registry.addresses.get(entry.address)
    simulated = alarm.simulated or registry.is_simulated(alarm.organisation)
    target: tuple[str, ...] = ()
    refused = None
    if channel is None:
        refused = "unknown channel"
    elif simulated and not channel.safe:
        refused = "simulated"
    elif entry.tries > TRIES:  # a channel that fails in ways of its own settles nothing itself
        refused = "tried too often"
    elif channel.addressed:
        try:
            target = read_target(address.url_file) if address else ()
        except ChannelFailed as error:
            refused = str(error)
        if address is None:
            refused = "unknown address"
    return Job(entry=entry, alarm=alarm, channel=channel, target=target, refused=refused)


async def deliver(desk: Desk, job: Job) -> None:
    """Send one, and settle it: sent, tried again later, or given up."""
    entry = job.entry
    try:
        if job.channel is None or job.refused is not None:
            raise ChannelFailed(job.refused or "unknown channel", retryable=False)
        async with asyncio.timeout(TIMEOUT_S):
            await job.channel.send(_message(desk, job), job.target)
    except (ChannelFailed, TimeoutError) as error:
        failure = error if isinstance(error, ChannelFailed) else ChannelFailed("no answer in time")
        desk.counts.failed.labels(entry.channel).inc()
        _log.warning(
            "call_failed",
            channel=entry.channel,
            address=entry.address,
            attempt=entry.tries,
            error=str(failure),
        )
        await desk.write(lambda tx: _settle_failed(desk, tx, job, failure))
        desk.timers_due.set()
    else:
        await desk.write(lambda tx: _settle_sent(desk, tx, job))
        desk.counts.sent.labels(entry.channel).inc()
        desk.counts.delay.observe((desk.now() - entry.created_at).total_seconds())


def _message(desk: Desk, job: Job) -> Message:
    path = f"/alarms/{job.alarm.id}"
    return Message(
        key=job.entry.id,
        alarm=job.alarm,
        step=job.entry.step,
        round=job.entry.round,
        attempt=job.entry.tries,
        link=desk.settings.console.public_url.rstrip("/") + path,
    )


def _settle_sent(desk: Desk, tx: Transaction, job: Job) -> None:
    entry = job.entry
    if not notifications.sent(tx, entry, by=desk.id):
        return  # its lease ran out meanwhile: whoever holds it now tells how it ends
    alarm = alarms.get(tx, job.alarm.id) or job.alarm
    alarms.note(
        tx,
        AlarmChange(
            alarm=alarm,
            change=Change.NOTIFIED,
            at=desk.now(),
            detail={
                "channel": entry.channel,
                "address": entry.address,
                "step": entry.step,
                "round": entry.round,
                "notification": str(entry.id),
            },
        ),
    )
    subject = _subject(job)
    standing = alarms.states(tx, [subject])[subject].open.get(RULE)
    if standing is not None and standing.state in machine.STANDING:
        gone = machine.clear(standing, latching=False, at=desk.now())
        assert gone is not None
        alarms.change(tx, gone)


def _settle_failed(desk: Desk, tx: Transaction, job: Job, failure: ChannelFailed) -> None:
    entry, now = job.entry, desk.now()
    if job.refused == "simulated":
        notifications.failed(tx, entry, by=desk.id, error="simulated")
        return
    if failure.retryable and entry.tries < TRIES:
        wait_s = min(RETRY_CAP_S, 2.0**entry.tries) * random.uniform(0.5, 1.0)
        at = now + timedelta(seconds=wait_s)
        kept = notifications.retry(tx, entry, by=desk.id, at=at, error=str(failure))
    else:
        kept = notifications.failed(tx, entry, by=desk.id, error=str(failure))
    if kept:
        _fall_through(tx, job, desk)
    alarms.raise_technical(
        tx,
        organisation=job.alarm.organisation,
        subject=_subject(job),
        rule=RULE,
        priority=Priority.P2,
        reason="channel_failed",
        event_at=now,
    )


def _fall_through(tx: Transaction, job: Job, desk: Desk) -> None:
    """The next step of the plan does not wait for one that cannot tell anybody."""
    timer = timers.get(
        tx.connection, timers.key(TimerKind.ESCALATION, job.alarm.id, job.alarm.subject)
    )
    if timer is None or timer.step is None:
        return
    moment = escalation.hasten(
        Moment(step=timer.step, round=timer.round, due_at=timer.due_at),
        step=job.entry.step,
        round=job.entry.round,
        now=desk.now(),
    )
    if moment is not None:
        firing.put(tx, job.alarm, moment)


def _subject(job: Job) -> SubjectId:
    """A channel's alarms are per organisation, since each sees only its own."""
    return SubjectId(f"channel:{job.entry.address}@{job.alarm.organisation}")
