"""Who is to be told of an alarm, and when no longer: timers of its plan, set with the alarm.

The plan itself is read when such a timer is due, by the alarm program: whoever raises an alarm
only says that people must know.
"""

from __future__ import annotations

from khaen.alarm import WAITING, AlarmClass, State
from khaen.clock import from_micros
from khaen.evaluation import AlarmChange
from store import notifications, timers
from store.database import Transaction
from store.timers import Timer, TimerKind


def follow(tx: Transaction, entry: AlarmChange) -> None:
    """Begin, repeat or end the calls for an alarm after a change of it.

    While it waits for a person its plan runs, from the first change that is to be told; a further
    one calls the plan's first step once more and leaves the running plan its course. Answered,
    all calls end in the same transaction; so do those of a technical alarm whose condition went.
    """
    alarm = entry.alarm
    plan = timers.key(TimerKind.ESCALATION, alarm.id, alarm.subject)
    again = timers.key(TimerKind.AGAIN, alarm.id, alarm.subject)
    returned = alarm.state is State.RETURNED_UNACKNOWLEDGED
    waits = alarm.state in WAITING and not (returned and alarm.alarm_class is not AlarmClass.CARE)
    if not waits and not (entry.notify and alarm.open):
        timers.cancel(tx, plan, again)
        notifications.cancel(tx, alarm.id)
    if not entry.notify or not alarm.open:
        return
    begins = waits and timers.get(tx.connection, plan) is None
    timers.put(
        tx,
        Timer(
            kind=TimerKind.ESCALATION if begins else TimerKind.AGAIN,
            subject=alarm.subject,
            rule=alarm.rule,
            due_at=from_micros(tx.now),
            alarm=alarm.id,
        ),
    )
