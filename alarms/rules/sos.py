"""A call for help: any press raises a P1 at once, which only a person can end.

A press that is known joins its alarm, open or closed, silently: it is a repeat or a late copy. A
new press joins an open alarm, counts, and is told again; else it raises. Nothing suppresses it.
"""

from __future__ import annotations

from alarms import machine, press
from alarms.rule import Rule, Situation, Verdict, new_alarm, raised
from khaen.alarm import Alarm, AlarmClass, Priority
from khaen.evaluation import AlarmChange, Observation
from khaen.reading import Event, EventKind

ID = "sos"
ENDS = EventKind.SOS_END
LISTENS = frozenset({EventKind.SOS, ENDS})


def observe(observation: Observation, situation: Situation) -> Verdict:
    """Look at each call in one uplink, in order."""
    memory, alarm = situation.memory, situation.alarm
    changes: list[AlarmChange] = []
    for event in observation.decoded.events:
        if event.kind not in LISTENS:
            continue
        noted = press.hear(memory, observation, event, end=event.kind is ENDS)
        memory = noted.memory
        if noted.new:
            changes.append(_ring(observation, event, situation, alarm))
            alarm = changes[-1].alarm
        # An end that comes late may be that of an earlier press: it ends nothing.
        ends = event.kind is ENDS and not observation.late
        if ends and alarm is not None and alarm.state in machine.STANDING:
            cleared = machine.clear(
                alarm,
                latching=True,
                at=situation.now,
                uplink_id=observation.uplink_id,
                detail=press.describe(observation, event),
            )
            if cleared is not None:
                changes.append(cleared)
                alarm = cleared.alarm
    return Verdict(memory=memory, changes=tuple(changes))


def _ring(
    observation: Observation, event: Event, situation: Situation, alarm: Alarm | None
) -> AlarmChange:
    detail = press.describe(observation, event)
    if alarm is not None:
        return machine.recur(
            alarm,
            pressed=True,
            at=situation.now,
            uplink_id=observation.uplink_id,
            detail=detail,
        )
    reason = "press" if observation.fresh else "press_counter_not_fresh"
    return raised(
        new_alarm(
            ID,
            AlarmClass.CARE,
            situation,
            origin=observation.uplink_id,
            priority=Priority.P1,
            event_at=observation.event_at,
            reason=reason,
            late=observation.late,
        ),
        at=situation.now,
        uplink_id=observation.uplink_id,
        detail=detail,
    )


RULE = Rule(id=ID, alarm_class=AlarmClass.CARE, urgent=True, events=LISTENS, observe=observe)
