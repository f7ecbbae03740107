"""Buses keep to their lines, their stops and their hours."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from decoders.decode import decode_payload
from khaen.site.model import Position
from simulators.city import City, Tracker
from simulators.city.buses import FIRST, LAST, LINES, SPEED, Line
from simulators.city.hours import Spot, position_of, spot_of

DAY = 24.0 * 20_000


def off_line(line: Line, spot: Spot) -> float:
    """km from the nearest piece of a line."""

    def off(a: Spot, b: Spot) -> float:
        along = (spot.east - a.east) * (b.east - a.east) + (spot.north - a.north) * (
            b.north - a.north
        )
        share = min(1.0, max(0.0, along / math.dist(a, b) ** 2))
        near = (a.east + (b.east - a.east) * share, a.north + (b.north - a.north) * share)
        return math.dist(spot, near)

    return min(off(a, b) for a, b in pairwise(line.stops))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_bus_stays_on_its_line_at_a_plausible_speed(line: Line) -> None:
    for number in range(line.buses):
        sights = [line.bus(number, DAY + second / 240) for second in range(24 * 240)]
        for before, now in pairwise(sights):
            assert off_line(line, now.spot) < 0.001
            assert math.dist(before.spot, now.spot) * 240 <= 2.01 * SPEED
            assert now.ignition or now.speed == 0.0
        visited = {sight.spot for sight in sights if sight.speed < 0.01}
        assert set(line.stops) <= visited


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_engines_rest_at_night_and_buses_follow_each_other(line: Line) -> None:
    nights = [line.bus(0, DAY + hour) for hour in (0.0, 2.0, 4.5, LAST + 1.0)]
    assert all(not sight.ignition and sight.spot == line.stops[0] for sight in nights)
    hours = FIRST + 3.7
    assert line.bus(1, DAY + hours + line.headway).spot == pytest.approx(
        line.bus(0, DAY + hours).spot, abs=1e-6
    )
    assert 4 / 60 < line.headway < 0.5


def test_what_the_tracker_says_is_where_the_bus_is() -> None:
    start = datetime(2026, 4, 13, 1, tzinfo=UTC)
    at_airport = Position(latitude=16.4666, longitude=102.784)
    tracker = Tracker(Random(1), City("1", start), at_airport)
    assert tracker.line.name == "airport"
    for minutes in range(0, 600, 7):
        at = start + timedelta(minutes=minutes)
        message, sight = tracker.report(at), tracker.sight(at)
        decoded = decode_payload("digital_matter_g62", message.f_port, message.payload)
        found = {reading.quantity: reading.value for reading in decoded.readings}
        said = spot_of(Position(latitude=found["latitude"], longitude=found["longitude"]))
        assert math.dist(said, sight.spot) < 0.001
        assert found["speed"] * 3.6 == pytest.approx(sight.speed, abs=0.51)
        assert found["ignition"] == sight.ignition


def test_positions_and_spots_are_the_same_places() -> None:
    position = Position(latitude=16.5437, longitude=102.0977)
    back = position_of(spot_of(position))
    assert back.latitude == pytest.approx(position.latitude)
    assert back.longitude == pytest.approx(position.longitude)


def test_a_tracker_is_heard_from_where_its_bus_is() -> None:
    start = datetime(2026, 4, 13, 5, tzinfo=UTC)
    home = Position(latitude=16.4666, longitude=102.784)
    tracker = Tracker(Random(1), City("1", start), home)
    assert tracker.position(start, home) == tracker.sight(start).position
