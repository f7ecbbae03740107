"""Waiting until all is receipted."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from edge.desk import drain
from edge.health.condition import Condition
from khaen.clock import ManualClock
from tests.edge.conditions import make_condition, make_gateway
from tests.edge.fixtures import GATEWAY


def waiting(backlog: int, *faults: str) -> Condition:
    return make_condition(make_gateway(backlog=backlog, oldest_s=7200.0), faults=faults)


def asking(*conditions: Condition) -> Callable[[], Condition]:
    answers = iter(conditions)
    return lambda: next(answers)


def step(progress: Iterator[drain.Progress], clock: ManualClock) -> Iterator[drain.Progress]:
    for step in progress:
        yield step
        clock.advance(2)


def watch(timeout_s: float, *conditions: Condition) -> list[drain.Progress]:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    return list(step(drain.watch(asking(*conditions), clock.monotonic, timeout_s), clock))


def test_it_ends_when_nothing_is_left_and_tells_how_fast_it_goes() -> None:
    progress = watch(60, *(waiting(left) for left in (1000, 900, 600, 60, 0)))
    assert [str(step) for step in progress] == [
        "1000 records without receipt",
        "900 records without receipt",
        "600 records without receipt, 100/s, 6 s left",
        "60 records without receipt, 157/s, 0 s left",
        "0 records without receipt",
    ]
    assert [step.done for step in progress] == [False, False, False, False, True]


def test_it_ends_when_the_time_is_over() -> None:
    progress = watch(4, *(waiting(10) for _ in range(9)))
    assert [step.left for step in progress] == [10, 10, 10]
    assert not progress[-1].done


def test_more_is_heard_than_goes() -> None:
    assert watch(4, waiting(10), waiting(20), waiting(30))[-1].rate is None


def test_an_outbox_that_does_not_answer_is_not_drained() -> None:
    fault = f"{GATEWAY}: the outbox has not answered for 5 s"
    stuck = make_condition(make_gateway(backlog=0), faults=(fault,))
    progress = watch(2, stuck, stuck)
    assert not progress[-1].done
    assert list(drain.list_remaining(stuck)) == [fault]


def test_what_remains_is_named() -> None:
    condition = make_condition(
        make_gateway(backlog=7, oldest_s=7200.0, broker="not connected: refused")
    )
    assert list(drain.list_remaining(condition)) == [
        f"{GATEWAY}: 7 records, the oldest 2 h 0 min old; broker: not connected: refused"
    ]
