"""What is learned of a broker that does not say how much it takes."""

from edge.forwarding.sizes import Sizes
from khaen.clock import ManualClock
from tests.edge.fixtures import START


def end(sizes: Sizes, *sent: tuple[int, int]) -> None:
    """A connection with these messages (position, size) unanswered ends."""
    for mid, (position, size) in enumerate(sent):
        sizes.sent((1, mid), position, size)
    sizes.end()


def test_what_ended_three_connections_is_too_large() -> None:
    sizes = Sizes(ManualClock(START))
    for _ in range(2):
        end(sizes, (1, 300), (2, 9000), (3, 5000))
        assert sizes.largest > 9000
    end(sizes, (2, 9000))
    assert sizes.largest == 8999


def test_what_is_answered_or_another_or_small_is_not_suspected() -> None:
    sizes = Sizes(ManualClock(START))
    for position in range(9):
        sizes.sent((position, 1), 1, 9000)
        sizes.answered((position, 1))
        end(sizes, (2, 4095), (100 + position, 5000))
    assert sizes.largest > 9000


def test_connections_that_end_with_nothing_large_on_its_way_say_nothing() -> None:
    sizes = Sizes(ManualClock(START))
    for _ in range(3):
        sizes.end()
        end(sizes, (2, 9000))
        sizes.end()
    assert sizes.largest == 8999


def test_it_is_tried_again_after_an_hour() -> None:
    clock = ManualClock(START)
    sizes = Sizes(clock)
    for _ in range(3):
        end(sizes, (2, 9000))
    clock.advance(3600)
    assert sizes.largest == 8999
    clock.advance(1)
    assert sizes.largest > 9000
