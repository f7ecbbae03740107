"""Who stops the engine too often is left alone, longer each time, and forgiven in the end."""

from __future__ import annotations

from decoders.javascript.quarantine import FIRST_S, LONGEST_S, WINDOW_S, Quarantine


def test_three_stops_in_the_window_hold_it() -> None:
    quarantine = Quarantine()
    assert [quarantine.strike("a", at) for at in (0, 1, 2)] == [0, 0, FIRST_S]
    assert quarantine.holds("a", 3)
    assert quarantine.held(3) == ("a",)
    assert not quarantine.holds("b", 3)
    assert not quarantine.holds("a", 2 + FIRST_S)


def test_stops_far_apart_do_not() -> None:
    quarantine = Quarantine()
    assert [quarantine.strike("a", at) for at in (0, WINDOW_S, 2 * WINDOW_S)] == [0, 0, 0]


def test_after_it_one_stop_is_enough_and_it_doubles_to_the_longest() -> None:
    quarantine = Quarantine()
    now = 0.0
    lengths = []
    for _ in range(11):
        length = quarantine.strike("a", now)
        lengths.append(length)
        now += length + 1
    assert lengths[2:] == [60, 120, 240, 480, 960, 1920, LONGEST_S, LONGEST_S, LONGEST_S]


def test_it_is_forgiven_when_it_went_well_for_long() -> None:
    quarantine = Quarantine()
    for at in (0.0, 1.0, 2.0):
        quarantine.strike("a", at)
    assert quarantine.strike("a", 2 + FIRST_S + WINDOW_S + FIRST_S + 1) == 0
