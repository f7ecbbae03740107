"""A gateway that is not heard: one alarm that lists who is now unseen, however many they are.

A healthy gateway's heartbeat comes each minute. None for `silent_s` is down; heard again without
a pause for `stable_s`, the condition is gone. A gateway never heard yet is given `silent_s` from
the first look at it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from alarms import machine
from alarms.rule import Parameters, Rule, Situation, Verdict, new_alarm, raised
from khaen.alarm import AlarmClass, Priority, State
from khaen.clock import from_micros, to_micros
from khaen.evaluation import AlarmChange, Json, Silence

ID = "gateway_down"
# Three missed heartbeats of 60 s, less the time one takes to come; five minutes of calm.
DEFAULTS: Parameters = {"silent_s": 150.0, "stable_s": 300.0}


def watch(silence: Silence, situation: Situation) -> Verdict:
    """Look once.

    The memory holds since when it is watched, since when it is back, and which silence was told:
    whoever closed the case while the gateway is still silent is not told of that silence again.
    """
    watched_at = _time(situation.memory, "watched_at") or situation.now
    last = silence.last_heard or watched_at
    silent = situation.now - last >= timedelta(seconds=situation.parameters["silent_s"])
    back_at = None if silent else _time(situation.memory, "back_at") or situation.now
    memory: dict[str, object] = {"watched_at": to_micros(watched_at)}
    if back_at is not None:
        memory["back_at"] = to_micros(back_at)
    if silent:
        memory["told_of"] = to_micros(last)
    change = _go_down(silence, situation, last) if silent else _come_back(situation, back_at)
    return Verdict(memory=memory, changes=() if change is None else (change,))


def _go_down(silence: Silence, situation: Situation, last: datetime) -> AlarmChange | None:
    alarm = situation.alarm
    detail: Json = {"gateway_eui": silence.gateway_eui, "unseen": list(silence.unseen)}
    if alarm is None and situation.memory.get("told_of") == to_micros(last):
        return None
    if alarm is None:
        down = new_alarm(
            ID,
            AlarmClass.TECHNICAL,
            situation,
            origin=str(to_micros(last)),
            priority=Priority.P2,
            event_at=last,
            reason="gateway_silent",
        )
        return raised(down, at=situation.now, detail=detail)
    if alarm.state is State.RETURNED_UNACKNOWLEDGED:
        return machine.recur(alarm, at=situation.now, detail=detail)
    return None


def _come_back(situation: Situation, back_at: datetime | None) -> AlarmChange | None:
    alarm = situation.alarm
    if alarm is None or back_at is None or alarm.state not in machine.STANDING:
        return None
    if situation.now - back_at < timedelta(seconds=situation.parameters["stable_s"]):
        return None
    return machine.clear(alarm, latching=False, at=situation.now)


def _time(memory: Json, key: str) -> datetime | None:
    micros = memory.get(key)
    return from_micros(micros) if isinstance(micros, int) else None


RULE = Rule(id=ID, alarm_class=AlarmClass.TECHNICAL, defaults=DEFAULTS, watch=watch)
