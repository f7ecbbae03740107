from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.agenda import NEVER, Agenda, AgendaClock

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)


@given(st.lists(st.floats(0, 1e6)))
def test_everything_happens_in_the_order_of_its_time(times: list[float]) -> None:
    agenda, happened = Agenda(), list[float]()
    for time in times:
        agenda.at(time, happened.append)
    while agenda.next_at < NEVER:
        agenda.step()
    assert happened == sorted(times)


def test_what_is_due_together_happens_in_the_order_of_entry() -> None:
    agenda, happened = Agenda(), list[str]()
    for name in "abc":
        agenda.at(1.0, lambda _now, name=name: happened.append(name))  # type: ignore[misc]
    for _ in range(3):
        agenda.step()
    assert happened == ["a", "b", "c"]


def test_what_comes_too_late_happens_now() -> None:
    agenda, happened = Agenda(), list[float]()
    agenda.at(5.0, happened.append)
    agenda.step()
    agenda.at(2.0, happened.append)
    assert agenda.next_at == 5.0
    agenda.step()
    assert happened == [5.0, 5.0]


def test_an_empty_agenda_has_nothing_due() -> None:
    assert Agenda().next_at == NEVER
    with pytest.raises(IndexError):
        Agenda().step()


def test_the_clock_shows_the_agenda_s_time() -> None:
    agenda = Agenda()
    clock = AgendaClock(agenda, START)
    agenda.at(90.5, lambda _now: None)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    agenda.step()
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90.5), 90.5)
