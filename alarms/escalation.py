"""Which step of a plan comes when: a plan runs round after round until a person answers. Pure.

The ladder of a round is fixed by when it began; a step that is overdue (the program was away) is
told at once, the others of its round after it. A round that was slept through is not made up for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from store.records import PlanRecord, StepRecord

REST = timedelta(seconds=30)
"""At least this long after a round's last step the next round begins: the least `repeat_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A step of a round, and when it is due. Steps and rounds count from 0."""

    step: int
    round: int
    due_at: datetime


def begin(plan: PlanRecord, at: datetime, *, round: int = 0) -> Moment:  # noqa: A002
    """The first step of a round that begins at `at`."""
    return Moment(step=0, round=round, due_at=at + plan.steps[0].after)


def follow(plan: PlanRecord, moment: Moment, now: datetime) -> Moment:
    """What comes after a step that is told now."""
    if moment.step + 1 < len(plan.steps):
        begun = moment.due_at - plan.steps[moment.step].after
        after = moment.step + 1
        return replace(moment, step=after, due_at=begun + plan.steps[after].after)
    # The site file may have made the plan shorter than it was.
    last = plan.steps[min(moment.step, len(plan.steps) - 1)].after
    begun = moment.due_at - last + max(plan.repeat, last + REST)
    return begin(plan, max(begun, now), round=moment.round + 1)


def fire(plan: PlanRecord, moment: Moment, now: datetime) -> tuple[list[Moment], Moment]:
    """The steps that are due by now, and the one that is next."""
    due: list[Moment] = []
    while moment.due_at <= now and moment.step < len(plan.steps):
        due.append(moment)
        following = follow(plan, moment, now)
        if following.round != moment.round:
            return due, following
        moment = following
    if moment.step >= len(plan.steps):
        return due, follow(plan, moment, now)
    return due, moment


def hasten(moment: Moment, *, step: int, round: int, now: datetime) -> Moment | None:  # noqa: A002
    """The next step, brought forward because telling `step` of `round` failed; None where it stays.

    A round never begins early: when nobody at all can be reached, trying is not to become a storm.
    """
    if moment.round != round or moment.step <= step or moment.due_at <= now:
        return None
    return replace(moment, due_at=now)


def first(plan: PlanRecord) -> list[tuple[int, StepRecord]]:
    """The steps with which a round begins: whom a further press tells once more."""
    start = plan.steps[0].after
    return [(n, step) for n, step in enumerate(plan.steps) if step.after == start]
