"""Every legal way between states, and the refusal of every other."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alarms import machine
from alarms.machine import TRANSITIONS, Action
from khaen.alarm import WAITING, Alarm, AlarmClass, Change, Outcome, Priority, State
from khaen.errors import IllegalTransition
from khaen.evaluation import AlarmChange
from khaen.ids import AlarmId, OrganisationId, SubjectId

AT = datetime(2026, 4, 13, 1, 0, tzinfo=UTC)

LEGAL = {
    ("unacknowledged", "accept", "acknowledged"),
    ("unacknowledged", "clear", "returned_unacknowledged"),
    ("unacknowledged", "clear_latching", "latched_unacknowledged"),
    ("unacknowledged", "recur", "unacknowledged"),
    ("acknowledged", "clear", "normal"),
    ("acknowledged", "clear_latching", "latched_acknowledged"),
    ("acknowledged", "recur", "acknowledged"),
    ("acknowledged", "close", "normal"),
    ("returned_unacknowledged", "accept", "normal"),
    ("returned_unacknowledged", "recur", "unacknowledged"),
    ("latched_unacknowledged", "accept", "latched_acknowledged"),
    ("latched_unacknowledged", "recur", "unacknowledged"),
    ("latched_acknowledged", "recur", "unacknowledged"),
    ("latched_acknowledged", "close", "normal"),
    ("shelved", "recur", "unacknowledged"),
    ("suppressed_by_design", "recur", "unacknowledged"),
    ("out_of_service", "recur", "unacknowledged"),
}


def an_alarm(state: State = State.UNACKNOWLEDGED, accepted_by: str | None = None) -> Alarm:
    return Alarm(
        id=AlarmId(uuid.UUID(int=1)),
        organisation=OrganisationId("chum-phae"),
        subject=SubjectId("person:R-0012"),
        rule="sos",
        alarm_class=AlarmClass.CARE,
        priority=Priority.P1,
        state=state,
        event_at=AT,
        raised_at=AT,
        accepted_by=accepted_by,
        accepted_at=AT if accepted_by else None,
    )


def go(alarm: Alarm, action: Action) -> AlarmChange | None:
    if action is Action.ACCEPT:
        return machine.accept(alarm, by="nok", at=AT)
    if action is Action.CLOSE:
        return machine.close(alarm, by="nok", outcome=Outcome.ASSISTED, at=AT)
    if action is Action.RECUR:
        return machine.recur(alarm, at=AT)
    return machine.clear(alarm, latching=action is Action.CLEAR_LATCHING, at=AT)


def test_the_table_is_the_one_that_is_written_down() -> None:
    assert {(str(a), str(b), str(c)) for (a, b), c in TRANSITIONS.items()} == LEGAL


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", State)
def test_goes_every_legal_way_and_no_other(state: State, action: Action) -> None:
    alarm = an_alarm(state)
    after = next((c for a, b, c in LEGAL if (a, b) == (state, action)), None)
    known = state in {
        State.RETURNED_UNACKNOWLEDGED,
        State.LATCHED_UNACKNOWLEDGED,
        State.LATCHED_ACKNOWLEDGED,
    }
    if after is not None:
        change = go(alarm, action)
        assert change is not None
        assert change.alarm.state == after
        assert (change.alarm.closed_at is not None) == (after == "normal")
    elif known and action in {Action.CLEAR, Action.CLEAR_LATCHING}:
        assert go(alarm, action) is None
    else:
        with pytest.raises(IllegalTransition):
            go(alarm, action)


def test_a_second_person_is_told_who_has_it() -> None:
    taken = machine.accept(an_alarm(), by="nok", at=AT).alarm
    with pytest.raises(machine.AlreadyAccepted, match="nok") as refused:
        machine.accept(taken, by="lek", at=AT + timedelta(seconds=5))
    assert (refused.value.by, refused.value.at) == ("nok", AT)


def test_the_same_person_twice_changes_nothing() -> None:
    taken = machine.accept(an_alarm(), by="nok", at=AT).alarm
    again = machine.accept(taken, by="nok", at=AT + timedelta(seconds=5))
    assert (again.alarm, again.at) == (taken, AT)
    closed = machine.close(taken, by="nok", outcome=Outcome.ASSISTED, at=AT).alarm
    late = AT + timedelta(minutes=5)
    assert machine.close(closed, by="nok", outcome=Outcome.ASSISTED, at=late).alarm == closed
    assert machine.accept(closed, by="nok", at=late).alarm == closed


def test_a_closed_case_cannot_be_closed_otherwise() -> None:
    taken = machine.accept(an_alarm(), by="nok", at=AT).alarm
    closed = machine.close(taken, by="nok", outcome=Outcome.ASSISTED, at=AT).alarm
    with pytest.raises(IllegalTransition):
        machine.close(closed, by="nok", outcome=Outcome.EMERGENCY, at=AT)


def test_a_press_on_an_accepted_case_leaves_it_to_who_has_it() -> None:
    change = machine.recur(an_alarm(State.ACKNOWLEDGED, "nok"), at=AT, pressed=True)
    assert change.notify
    assert change.change is Change.PRESSED_AGAIN
    assert (change.alarm.presses, change.alarm.accepted_by) == (2, "nok")


def test_a_press_after_the_condition_was_gone_is_open_to_anyone() -> None:
    change = machine.recur(an_alarm(State.LATCHED_ACKNOWLEDGED, "nok"), at=AT, pressed=True)
    assert change.alarm.state is State.UNACKNOWLEDGED
    assert change.alarm.accepted_by is None
    assert machine.accept(change.alarm, by="lek", at=AT).alarm.accepted_by == "lek"


class Life(RuleBasedStateMachine):
    """Anything may happen to an alarm at any time; the table and the case's history agree."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm = an_alarm()
        self.seconds = 0

    def take(self, action: Action, **how: str) -> None:
        before = self.alarm
        self.seconds += 1
        at = AT + timedelta(seconds=self.seconds)
        try:
            if action is Action.ACCEPT:
                change = machine.accept(before, by=how["by"], at=at)
            elif action is Action.CLOSE:
                outcome = Outcome(how["outcome"])
                change = machine.close(before, by=how["by"], outcome=outcome, at=at)
            elif action is Action.RECUR:
                change = machine.recur(before, at=at, pressed=True)
            else:
                cleared = machine.clear(before, latching=action is Action.CLEAR_LATCHING, at=at)
                if cleared is None:
                    return
                change = cleared
        except IllegalTransition:
            legal = TRANSITIONS.get((before.state, action))
            others = before.accepted_by is not None and before.accepted_by != how.get("by")
            assert legal is None or (action is Action.ACCEPT and others)
            return
        if change.alarm != before:
            assert change.alarm.state is TRANSITIONS[before.state, action]
        assert change.alarm.presses >= before.presses
        self.alarm = change.alarm

    @rule(by=st.sampled_from(["nok", "lek"]))
    def accept(self, by: str) -> None:
        self.take(Action.ACCEPT, by=by)

    @rule(by=st.sampled_from(["nok", "lek"]), outcome=st.sampled_from([str(o) for o in Outcome]))
    def close(self, by: str, outcome: str) -> None:
        self.take(Action.CLOSE, by=by, outcome=outcome)

    @rule(action=st.sampled_from([Action.CLEAR, Action.CLEAR_LATCHING]))
    def clear(self, action: Action) -> None:
        self.take(action)

    @rule()
    def press(self) -> None:
        self.take(Action.RECUR)

    @precondition(lambda self: not self.alarm.open)
    @rule()
    def begin_anew(self) -> None:
        self.alarm = an_alarm()

    @invariant()
    def nobody_has_what_waits_for_an_answer(self) -> None:
        if self.alarm.state in WAITING:
            assert self.alarm.accepted_by is None
        else:
            assert self.alarm.accepted_by is not None

    @invariant()
    def closed_says_when(self) -> None:
        assert self.alarm.open == (self.alarm.closed_at is None)


TestLife = Life.TestCase
