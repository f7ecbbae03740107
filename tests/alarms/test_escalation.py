"""Plans: which step comes when, round after round."""

from datetime import UTC, datetime, timedelta

from alarms import escalation
from alarms.escalation import Moment
from store.records import PlanRecord, StepRecord

START = datetime(2026, 3, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def plan(*steps: float, repeat: float = 300.0) -> PlanRecord:
    return PlanRecord(
        id="p",
        steps=tuple(
            StepRecord(after=timedelta(seconds=s), channel="terminal", to=f"a{n}")
            for n, s in enumerate(steps)
        ),
        repeat=timedelta(seconds=repeat),
    )


LADDER = plan(0, 60, 180, 300, repeat=600)


def test_ladder_of_a_p1_to_the_second_and_from_the_start_again() -> None:
    moment, told = escalation.begin(LADDER, START), []
    for _ in range(6):
        told.append((moment.round, moment.step, (moment.due_at - START).total_seconds()))
        due, moment = escalation.fire(LADDER, moment, moment.due_at)
        assert len(due) == 1
    assert told == [(0, 0, 0), (0, 1, 60), (0, 2, 180), (0, 3, 300), (1, 0, 600), (1, 1, 660)]


def test_steps_of_one_moment_are_told_together() -> None:
    both = plan(0, 0, 60)
    due, following = escalation.fire(both, escalation.begin(both, START), START)
    assert [moment.step for moment in due] == [0, 1]
    assert (following.step, following.due_at) == (2, after(60))
    assert [n for n, _ in escalation.first(both)] == [0, 1]


def test_plan_may_begin_with_a_wait() -> None:
    slow = plan(30)
    moment = escalation.begin(slow, START)
    assert moment.due_at == after(30)
    assert escalation.fire(slow, moment, after(29)) == ([], moment)


def test_overdue_round_is_told_whole_and_slept_through_rounds_are_not() -> None:
    due, following = escalation.fire(LADDER, escalation.begin(LADDER, START), after(7200))
    assert [(moment.round, moment.step) for moment in due] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert following == Moment(step=0, round=1, due_at=after(7200))


def test_next_round_leaves_a_rest_after_the_last_step() -> None:
    tight = plan(0, 300, repeat=30)
    _, following = escalation.fire(tight, Moment(step=1, round=0, due_at=after(300)), after(300))
    assert following == Moment(step=0, round=1, due_at=after(330))


def test_plan_that_became_shorter_goes_on_with_its_next_round() -> None:
    due, following = escalation.fire(plan(0), Moment(step=3, round=2, due_at=START), START)
    assert due == []
    assert (following.step, following.round) == (0, 3)


def test_failure_brings_the_next_step_forward_but_never_a_round() -> None:
    ahead = Moment(step=1, round=0, due_at=after(60))
    now = after(1)
    assert escalation.hasten(ahead, step=0, round=0, now=now) == Moment(step=1, round=0, due_at=now)
    assert escalation.hasten(ahead, step=1, round=0, now=now) is None
    again = Moment(step=0, round=1, due_at=after(600))
    assert escalation.hasten(again, step=3, round=0, now=now) is None
    # A step that was hastened takes those behind it along.
    _, following = escalation.fire(LADDER, Moment(step=1, round=0, due_at=now), now)
    assert following.due_at == after(121)
