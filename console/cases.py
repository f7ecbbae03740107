"""Taking a case and ending it: one transaction each, the subject's row locked first."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from alarms import machine
from alarms.machine import AlreadyAccepted
from console.house import Visit
from khaen.alarm import Alarm, Outcome
from khaen.clock import from_micros
from khaen.errors import IllegalTransition
from khaen.evaluation import AlarmChange
from khaen.ids import AlarmId
from store import alarms, users
from store.database import Transaction


class Result(enum.StrEnum):
    """What came of it."""

    DONE = "done"
    TAKEN = "taken"
    """Another person has it."""
    CLOSED = "closed"
    """It was closed before."""
    NOT_ACCEPTED = "not_accepted"
    """Nobody has accepted it, so it cannot be closed."""
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outturn:
    """The case as it is afterwards, and what came of the request."""

    alarm: Alarm
    result: Result


def accept(visit: Visit, alarm_id: AlarmId) -> Outturn | None:
    """Take the case for this user. None when there is no such case for them.

    The same person again changes nothing and is done.
    """
    user = visit.session.user.id
    return _act(visit, alarm_id, "accepted", lambda case, at: machine.accept(case, by=user, at=at))


def close(visit: Visit, alarm_id: AlarmId, outcome: Outcome) -> Outturn | None:
    """End the case. None when there is no such case for this user."""
    user = visit.session.user.id
    return _act(
        visit,
        alarm_id,
        f"closed:{outcome}",
        lambda case, at: machine.close(case, by=user, outcome=outcome, at=at),
    )


def _act(
    visit: Visit, alarm_id: AlarmId, action: str, act: Callable[[Alarm, datetime], AlarmChange]
) -> Outturn | None:
    with visit.house.database.write() as tx:
        case = _lock(tx, alarm_id)
        if case is None or case.organisation not in visit.organisations:
            return None
        try:
            change = act(case, from_micros(tx.now))
        except AlreadyAccepted:
            return Outturn(alarm=case, result=Result.TAKEN if case.open else Result.CLOSED)
        except IllegalTransition:
            return Outturn(alarm=case, result=_why(case))
        if change.alarm != case:
            alarms.change(tx, change)
            users.audit(tx, actor=visit.session.user.id, action=action, ref=f"alarm:{alarm_id}")
        return Outturn(alarm=change.alarm, result=Result.DONE)


def _lock(tx: Transaction, alarm_id: AlarmId) -> Alarm | None:
    """The case as it is once nobody else can move it."""
    seen = alarms.get(tx.connection, alarm_id)
    if seen is None:
        return None
    state = alarms.states(tx, [seen.subject])[seen.subject]
    return next((case for case in state.open.values() if case.id == alarm_id), seen)


def _why(case: Alarm) -> Result:
    if not case.open:
        return Result.CLOSED
    return Result.NOT_ACCEPTED if case.accepted_by is None else Result.IMPOSSIBLE
