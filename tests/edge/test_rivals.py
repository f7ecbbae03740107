"""Two agents for one gateway are told from one that was started again."""

from datetime import datetime, timedelta

from edge.forwarding.rivals import WINDOW_S, Rivals
from edge.warnings import Warnings
from khaen.clock import ManualClock, Rung
from khaen.ids import Epoch
from khaen.status import DiskStatus, GatewayStatus
from tests.edge.fixtures import GATEWAY, START


def status(at: datetime, epoch: str = "b" * 16) -> GatewayStatus:
    return GatewayStatus(
        at=at,
        version="1",
        configuration="c",
        epoch=Epoch(epoch),
        last_seq=0,
        backlog=0,
        held=0,
        disk=DiskStatus(free=1, used=1, quota=1),
        clock=Rung.SYNCED,
        broker="connected",
    )


class HostClock(ManualClock):
    """A clock that somebody sets."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class Bench:
    def __init__(self) -> None:
        self.clock, self.warnings = HostClock(START), Warnings()
        self.rivals = Rivals(GATEWAY, self.warnings, self.clock)

    @property
    def warned(self) -> bool:
        return "twin_agent" in self.warnings

    def hear(self, seconds: float, *, retained: bool = False) -> None:
        self.rivals.hear(status(START + timedelta(seconds=seconds)), retained=retained)


def test_an_ordinary_restart_is_none() -> None:
    """Our status of before is retained, even of an epoch that is no more; our own words echo."""
    b = Bench()
    b.hear(-5, retained=True)
    b.clock.advance(30)
    for _ in range(20):
        b.rivals.tell(b.clock.now())
        b.rivals.hear(status(b.clock.now()), retained=False)
        b.rivals.lose("Keep alive timeout")
        b.clock.advance(30)
    assert not b.warned


def test_the_last_word_of_an_agent_that_was_killed_is_none() -> None:
    b = Bench()
    b.hear(-0.1)
    b.hear(-0.1, retained=True)
    assert not b.warned


def test_another_account_is_heard_by_its_status() -> None:
    b = Bench()
    b.clock.advance(60)
    b.hear(30)
    assert not b.warned
    b.hear(60)
    assert b.warned


def test_another_epoch_is_not_needed_for_a_cloned_card() -> None:
    b = Bench()
    for second in (10, 40):
        b.clock.advance(30)
        b.rivals.tell(b.clock.now())
        b.hear(second)
    assert b.warned


def test_one_account_is_known_by_the_sessions_taken_over() -> None:
    b = Bench()
    b.rivals.lose("Session taken over")
    assert not b.warned
    b.rivals.lose("Session taken over")
    assert b.warned


def test_what_the_other_left_while_we_were_away_counts() -> None:
    """MQTT 3.1.1 gives no reason, and the two are never connected at once."""
    b = Bench()
    for second in (10, 20):
        b.clock.advance(15)
        b.hear(second, retained=True)
    assert b.warned


def test_the_same_retained_status_is_one_sign() -> None:
    b = Bench()
    b.clock.advance(60)
    for _ in range(5):
        b.hear(30, retained=True)
    assert not b.warned


def test_it_ends_some_time_after_the_other_is_gone() -> None:
    b = Bench()
    b.rivals.lose("Session taken over")
    b.rivals.lose("Session taken over")
    b.clock.advance(WINDOW_S - 1)
    b.rivals.tell(b.clock.now())
    assert b.warned
    b.clock.advance(2)
    b.rivals.tell(b.clock.now())
    assert not b.warned


def test_a_clock_that_is_set_does_not_make_our_past_another() -> None:
    """Started in 1970, true afterwards: what is retained from before is older than we are."""
    b = Bench()
    b.clock.advance(5)
    b.clock.ahead = timedelta(days=365 * 20)
    b.hear(86_400, retained=True)
    b.hear(86_430, retained=True)
    assert not b.warned
