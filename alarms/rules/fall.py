"""A fall, in two stages: the wearer may cancel, and who lies still needs help sooner.

From the impact the wearer has `cancel_s` to say that it is nothing: then nothing is raised.
Whoever moves after that is a P2; whoever is still at `still_s`, or was not heard of again, is a
P1. A P2 becomes a P1 when the band says afterwards that the wearer lies still. Never the reverse:
only a person ends it. What is late or of a doubtful counter raises at once, by what it says.

Man down, as a device judges it, is a still wearer whose time to cancel is over: it raises at once.
A device that sees the wearer up again says that they move.

Frames of one fall share its count. A cancelled fall is remembered, so that its impact, should it
come later by another way, raises nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from alarms import falling, machine, press
from alarms.falling import Pending
from alarms.rule import Parameters, Rule, Situation, Verdict, new_alarm, raised
from khaen.alarm import AlarmClass, Change, Priority
from khaen.clock import from_micros, to_micros
from khaen.evaluation import AlarmChange, Json, Observation, TimerCancelled, TimerSet
from khaen.ids import UplinkId
from khaen.reading import Event, EventKind

ID = "fall"
CANCELS = EventKind.FALL_CANCELLED
DOWN = EventKind.MAN_DOWN
LISTENS = frozenset({EventKind.FALL, DOWN, CANCELS, *falling.ENDS})
# Reference defaults of fall detection in care: a 30 s cancel window, stillness at 60 s.
DEFAULTS: Parameters = {"cancel_s": 30.0, "still_s": 60.0}
NOT_FRESH = "fall_counter_not_fresh"
PENDING_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A fall decided: what it is called, how urgent it is, and what told of it."""

    reason: str
    priority: Priority
    event_at: datetime
    uplink_id: UplinkId
    late: bool
    detail: Json


def observe(observation: Observation, situation: Situation) -> Verdict:
    """Look at each fall frame in one uplink, in order."""
    run = _Run(situation)
    for event in observation.decoded.events:
        if event.kind in LISTENS:
            run.hear(observation, event)
    return run.verdict()


def wake(due_at: datetime, situation: Situation) -> Verdict:
    """Decide the falls whose time is over."""
    run = _Run(situation)
    run.decide(max(due_at, situation.now))
    return run.verdict()


class _Run:
    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._parameters = situation.parameters
        self._known = _mapping(situation.memory.get("known"))
        rows = situation.memory.get("pending", ())
        self._pending = [Pending(**row) for row in rows] if isinstance(rows, list) else []
        self._waited = bool(self._pending)
        self._alarm = situation.alarm
        self._changes: list[AlarmChange] = []

    def hear(self, observation: Observation, event: Event) -> None:
        ends = event.kind is CANCELS or event.kind in falling.ENDS
        noted = press.hear(self._known, observation, event, end=ends)
        self._known = noted.memory
        if noted.new:
            self._begin(observation, event)
        elif (pending := self._find(observation, event)) is not None:
            self._go_on(pending, observation, event)
        else:
            self._add(observation, event)
        self.decide(self._situation.now)

    def decide(self, now: datetime) -> None:
        for pending in tuple(self._pending):
            if pending.due_at(self._parameters) <= now:
                self._pending.remove(pending)
                self._ring(
                    Fall(
                        reason=falling.reason(pending.still),
                        priority=falling.priority(pending.still),
                        event_at=from_micros(pending.at),
                        uplink_id=UplinkId(uuid.UUID(pending.uplink_id)),
                        late=False,
                        detail=pending.describe(),
                    )
                )

    def verdict(self) -> Verdict:
        timer: TimerSet | TimerCancelled | None = None
        if self._pending:
            due_at = min(pending.due_at(self._parameters) for pending in self._pending)
            timer = TimerSet(rule=ID, due_at=due_at)
        elif self._waited:
            timer = TimerCancelled(rule=ID)
        memory = {"known": self._known, "pending": [asdict(p) for p in self._pending]}
        return Verdict(memory=memory, changes=tuple(self._changes), timer=timer)

    def _begin(self, observation: Observation, event: Event) -> None:
        """A fall not heard of before."""
        if event.kind in (CANCELS, EventKind.MAN_DOWN_END):
            return
        if observation.late or not observation.fresh or event.kind is DOWN:
            still = falling.still(event)
            self._ring(
                Fall(
                    reason=falling.reason_of(event) if observation.fresh else NOT_FRESH,
                    priority=falling.priority(still) if observation.fresh else Priority.P1,
                    event_at=observation.event_at,
                    uplink_id=observation.uplink_id,
                    late=observation.late,
                    detail=press.describe(observation, event),
                )
            )
            return
        self._pending = self._pending[-(PENDING_KEPT - 1) :]
        self._pending.append(
            Pending(
                dev_eui=observation.dev_eui,
                count=event.press,
                at=falling.impact(observation, event),
                uplink_id=str(observation.uplink_id),
                still=falling.still(event),
            )
        )

    def _go_on(self, pending: Pending, observation: Observation, event: Event) -> None:
        """More of a fall that is not decided: an earlier impact, a stage, or its end."""
        self._pending.remove(pending)
        if event.kind is CANCELS:
            return
        impact = min(pending.at, falling.impact(observation, event))
        said = falling.still(event)
        still = pending.still if said is None or observation.late else said
        self._pending.append(replace(pending, at=impact, still=still))

    def _add(self, observation: Observation, event: Event) -> None:
        """More of a fall that was decided: it can only become more urgent, or be cleared."""
        alarm = self._alarm
        if alarm is None or not observation.fresh:
            return
        if event.kind is CANCELS or event.kind in falling.ENDS:
            if not observation.late and alarm.state in machine.STANDING:
                self._take(
                    machine.clear(
                        alarm,
                        latching=True,
                        at=self._situation.now,
                        uplink_id=observation.uplink_id,
                        detail=press.describe(observation, event),
                    )
                )
        elif (
            falling.still(event)
            and alarm.priority > Priority.P1
            and alarm.state in machine.STANDING
        ):
            self._take(
                AlarmChange(
                    alarm=replace(alarm, priority=Priority.P1, reason=falling.reason(True)),
                    change=Change.PRIORITY_CHANGED,
                    at=self._situation.now,
                    notify=True,
                    uplink_id=observation.uplink_id,
                    detail=press.describe(observation, event),
                )
            )

    def _find(self, observation: Observation, event: Event) -> Pending | None:
        if not observation.fresh:
            return None
        at = to_micros(observation.event_at)
        gap = press.GAP_FLAGGED if event.press is None else press.GAP_COUNTED
        for pending in self._pending:
            same = (pending.dev_eui, pending.count) == (observation.dev_eui, event.press)
            if same and abs(at - pending.at) <= gap:
                return pending
        return None

    def _ring(self, fall: Fall) -> None:
        if self._alarm is None:
            self._take(self._raise(fall))
            return
        alarm = self._alarm
        if fall.priority < alarm.priority:
            alarm = replace(alarm, priority=fall.priority, reason=fall.reason)
        self._take(
            machine.recur(
                alarm,
                pressed=True,
                at=self._situation.now,
                uplink_id=fall.uplink_id,
                detail=fall.detail,
            )
        )

    def _raise(self, fall: Fall) -> AlarmChange:
        return raised(
            new_alarm(
                ID,
                AlarmClass.CARE,
                self._situation,
                origin=fall.uplink_id,
                priority=fall.priority,
                event_at=fall.event_at,
                reason=fall.reason,
                late=fall.late,
            ),
            at=self._situation.now,
            uplink_id=fall.uplink_id,
            detail=fall.detail,
        )

    def _take(self, change: AlarmChange | None) -> None:
        if change is not None:
            self._changes.append(change)
            self._alarm = change.alarm


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


RULE = Rule(
    id=ID,
    alarm_class=AlarmClass.CARE,
    urgent=True,
    defaults=DEFAULTS,
    events=LISTENS,
    observe=observe,
    wake=wake,
)
