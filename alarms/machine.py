"""The states of an alarm and every legal way between them: ISA-18.2 / IEC 62682, by name.

The table is data (`TRANSITIONS`); whatever is not in it is refused. docs/alarms.md shows it. Who
latches: an alarm whose rule says so (a call, a fall) stays until a person closes it with an
outcome, also when its condition is gone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from khaen.alarm import Alarm, Change, Outcome, State
from khaen.errors import IllegalTransition
from khaen.evaluation import EMPTY, AlarmChange, Json
from khaen.ids import UplinkId


class Action(enum.StrEnum):
    """What can happen to an open alarm."""

    ACCEPT = "accept"
    CLEAR = "clear"
    CLEAR_LATCHING = "clear_latching"
    RECUR = "recur"
    CLOSE = "close"


TRANSITIONS: Mapping[tuple[State, Action], State] = MappingProxyType(
    {
        (State.UNACKNOWLEDGED, Action.ACCEPT): State.ACKNOWLEDGED,
        (State.UNACKNOWLEDGED, Action.CLEAR): State.RETURNED_UNACKNOWLEDGED,
        (State.UNACKNOWLEDGED, Action.CLEAR_LATCHING): State.LATCHED_UNACKNOWLEDGED,
        (State.UNACKNOWLEDGED, Action.RECUR): State.UNACKNOWLEDGED,
        (State.ACKNOWLEDGED, Action.CLEAR): State.NORMAL,
        (State.ACKNOWLEDGED, Action.CLEAR_LATCHING): State.LATCHED_ACKNOWLEDGED,
        # Somebody is on the way: a further press is told, but does not take the case from them.
        (State.ACKNOWLEDGED, Action.RECUR): State.ACKNOWLEDGED,
        (State.ACKNOWLEDGED, Action.CLOSE): State.NORMAL,
        (State.RETURNED_UNACKNOWLEDGED, Action.ACCEPT): State.NORMAL,
        (State.RETURNED_UNACKNOWLEDGED, Action.RECUR): State.UNACKNOWLEDGED,
        (State.LATCHED_UNACKNOWLEDGED, Action.ACCEPT): State.LATCHED_ACKNOWLEDGED,
        (State.LATCHED_UNACKNOWLEDGED, Action.RECUR): State.UNACKNOWLEDGED,
        (State.LATCHED_ACKNOWLEDGED, Action.RECUR): State.UNACKNOWLEDGED,
        (State.LATCHED_ACKNOWLEDGED, Action.CLOSE): State.NORMAL,
        # Put aside, and the condition holds: it is as if nobody had ever seen it.
        (State.SHELVED, Action.RECUR): State.UNACKNOWLEDGED,
        (State.SUPPRESSED_BY_DESIGN, Action.RECUR): State.UNACKNOWLEDGED,
        (State.OUT_OF_SERVICE, Action.RECUR): State.UNACKNOWLEDGED,
    }
)


STANDING = frozenset({State.UNACKNOWLEDGED, State.ACKNOWLEDGED})
"""The condition holds, and nobody has put the alarm aside."""


class AlreadyAccepted(IllegalTransition):
    """Another person has it: `by` since `at`."""

    def __init__(self, by: str, at: datetime | None) -> None:
        super().__init__(f"accepted already by {by}")
        self.by = by
        self.at = at


def follow(state: State, action: Action) -> State:
    """The state after the action. Raises IllegalTransition where the table has none."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise IllegalTransition(f"{action} is not possible in {state}")
    return after


def accept(alarm: Alarm, *, by: str, at: datetime) -> AlarmChange:
    """`by` takes the case.

    The same person again changes nothing: the alarm of the change is the one that was given.
    Raises AlreadyAccepted, which names who has it, for anyone else, and IllegalTransition where
    there is nothing to accept.
    """
    if alarm.accepted_by == by:
        return AlarmChange(
            alarm=alarm, change=Change.ACCEPTED, at=alarm.accepted_at or at, actor=by
        )
    if alarm.accepted_by is not None:
        raise AlreadyAccepted(alarm.accepted_by, alarm.accepted_at)
    state = follow(alarm.state, Action.ACCEPT)
    after = replace(
        alarm,
        state=state,
        accepted_by=by,
        accepted_at=at,
        closed_at=at if state is State.NORMAL else None,
    )
    return AlarmChange(alarm=after, change=Change.ACCEPTED, at=at, actor=by)


def close(alarm: Alarm, *, by: str, outcome: Outcome, at: datetime) -> AlarmChange:
    """`by` ends the case, saying how it ended.

    The same outcome again changes nothing. Raises IllegalTransition for a case that nobody has
    accepted, or that was closed otherwise.
    """
    if not alarm.open and alarm.outcome is outcome:
        return AlarmChange(alarm=alarm, change=Change.CLOSED, at=alarm.closed_at or at, actor=by)
    state = follow(alarm.state, Action.CLOSE)
    after = replace(alarm, state=state, outcome=outcome, closed_at=at)
    return AlarmChange(alarm=after, change=Change.CLOSED, at=at, actor=by)


def clear(
    alarm: Alarm,
    *,
    latching: bool,
    at: datetime,
    uplink_id: UplinkId | None = None,
    detail: Json = EMPTY,
) -> AlarmChange | None:
    """The condition is gone. None when that was known already.

    A latching alarm waits for its outcome; another ends once it was accepted. Raises
    IllegalTransition for an alarm that is closed or put aside.
    """
    if alarm.state in _CLEARED:
        return None
    state = follow(alarm.state, Action.CLEAR_LATCHING if latching else Action.CLEAR)
    after = replace(alarm, state=state, closed_at=at if state is State.NORMAL else None)
    return AlarmChange(
        alarm=after,
        change=Change.CONDITION_CLEARED,
        at=at,
        uplink_id=uplink_id,
        detail=detail,
    )


def recur(
    alarm: Alarm,
    *,
    at: datetime,
    pressed: bool = False,
    uplink_id: UplinkId | None = None,
    detail: Json = EMPTY,
) -> AlarmChange:
    """It happened again, and people are told again; `pressed` counts it as one more press.

    Where the case stood open for anyone before, or its condition was gone, it is so again: what
    was accepted then no longer counts. Raises IllegalTransition for a closed alarm.
    """
    state = follow(alarm.state, Action.RECUR)
    after = replace(alarm, state=state, presses=alarm.presses + int(pressed))
    if state is State.UNACKNOWLEDGED:
        after = replace(after, accepted_by=None, accepted_at=None)
    return AlarmChange(
        alarm=after,
        change=Change.PRESSED_AGAIN if pressed else Change.CONDITION_RETURNED,
        at=at,
        notify=True,
        uplink_id=uplink_id,
        detail=detail,
    )


_CLEARED = frozenset(
    {State.RETURNED_UNACKNOWLEDGED, State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED}
)
