"""How many late messages are on their way follows how fast the broker answers."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.pace import Pace
from khaen.clock import ManualClock
from tests.edge.fixtures import START

MOST = 32


@dataclass
class Road:
    """A link that carries so many messages a second, one after the other, `far` seconds long."""

    per_s: float
    far: float = 0.01
    rate: float = 1000.0
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(self.rate, MOST, self.clock)
        self._going: deque[tuple[float, float]] = deque()
        self._free = 0.0

    def go(self, seconds: float) -> float:
        """Send what is allowed for a while; how many went in each second."""
        sent, end = 0, self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < end:
            while self._going and self._going[0][1] <= now:
                handed, _ = self._going.popleft()
                self.waits.append(now - handed)
                self.pace.answered(now - handed)
            while len(self._going) < self.pace.window and self.pace.allowance():
                self.pace.spend()
                self._free = max(now, self._free) + 1 / self.per_s
                self._going.append((now, self._free + self.far))
                sent += 1
            self.clock.advance(0.001)
        return sent / seconds


def test_a_good_link_carries_what_is_allowed() -> None:
    road = Road(per_s=5000)
    road.go(5)
    assert road.go(5) == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize("per_s", [10, 40, 200])
def test_a_slow_link_is_used_and_its_queue_stays_short(per_s: float) -> None:
    road = Road(per_s=per_s)
    road.go(10)
    road.waits.clear()
    assert road.go(30) > 0.9 * per_s
    assert max(road.waits) < 0.6


def test_a_far_broker_is_no_slow_link() -> None:
    road = Road(per_s=5000, far=0.6)
    road.go(60)
    assert road.pace.window == MOST


def test_a_link_that_becomes_slow_is_noticed() -> None:
    road = Road(per_s=1000)
    road.go(5)
    road.per_s = 10
    road.go(15)
    road.waits.clear()
    road.go(10)
    assert max(road.waits) < 0.6


def test_another_connection_begins_anew() -> None:
    road = Road(per_s=5000)
    road.go(10)
    road.pace.begin_anew()
    assert road.pace.window == 8


@given(
    rate=st.floats(0.5, 1e5),
    most=st.integers(1, 512),
    steps=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 50), st.integers(0, 50)), max_size=50),
)
def test_never_more_than_allowed_and_never_none(
    rate: float, most: int, steps: list[tuple[float, float, int]]
) -> None:
    clock = ManualClock(START)
    pace = Pace(rate, most, clock)
    sent = 0
    for wait, takes, wanted in steps:
        clock.advance(wait)
        for _ in range(min(wanted, pace.allowance())):
            pace.spend()
            sent += 1
        pace.answered(takes)
        assert 1 <= pace.window <= most
    assert sent <= max(1.0, rate * 0.1) + sum(wait for wait, _, _ in steps) * rate + 1
