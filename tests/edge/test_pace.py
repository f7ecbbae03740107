"""The backlog's rate follows how fast the broker answers."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from edge.pace import Pace
from khaen.clock import ManualClock
from tests.edge.fixtures import START


@dataclass
class Road:
    """A link on which answers take a given time, at `most` 1000 frames a second."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))

    def __post_init__(self) -> None:
        self.pace = Pace(1000.0, self.clock)

    def go(self, seconds: float, takes: float) -> int:
        """Send what is allowed for a while; how many went."""
        sent = 0
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            for _ in range(self.pace.allowance()):
                self.pace.spend()
                self.pace.answered(takes)
                sent += 1
        return sent


def test_it_grows_to_what_is_allowed_while_answers_come_quickly() -> None:
    road = Road()
    assert road.go(1, takes=0.01) < 300
    road.go(5, takes=0.01)
    assert road.pace.rate == 1000
    assert road.go(1, takes=0.01) == 1000


def test_it_falls_while_answers_wait_and_grows_again() -> None:
    road = Road()
    road.go(10, takes=0.05)
    road.go(20, takes=0.6)
    assert road.pace.rate == 10
    assert 5 <= road.go(1, takes=0.6) <= 15
    road.go(10, takes=0.05)
    assert road.pace.rate == 1000


def test_a_far_broker_is_no_slow_link() -> None:
    road = Road()
    road.go(10, takes=0.8)
    assert road.pace.rate == 1000


def test_another_connection_begins_anew() -> None:
    road = Road()
    road.go(10, takes=0.8)
    road.pace.begin_anew()
    assert road.pace.rate == 100


@given(
    most=st.floats(0.5, 1e5),
    steps=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.integers(0, 50)), max_size=50),
)
def test_never_more_than_allowed(most: float, steps: list[tuple[float, float, int]]) -> None:
    clock = ManualClock(START)
    pace = Pace(most, clock)
    sent = 0
    for wait, takes, wanted in steps:
        clock.advance(wait)
        for _ in range(min(wanted, pace.allowance())):
            pace.spend()
            sent += 1
        pace.answered(takes)
        assert 0 < pace.rate <= most
    burst = max(1.0, most * 0.1)
    assert sent <= burst + sum(wait for wait, _, _ in steps) * most + 1
