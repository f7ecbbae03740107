"""Rivers after rain, and the sumps of pumping stations."""

from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise
from statistics import mean

import pytest

from simulators.city import City, water
from simulators.city.hours import CENTRE, Spot, number_of
from simulators.city.rain import Rain, Shower, rain_day
from simulators.city.wastewater import HIGH, LOW, Station

START = datetime(2026, 1, 1, tzinfo=UTC)
CITY = City("7", START)
RAIN = CITY.weather.rain
DRY = number_of(date(2026, 2, 10))
WET = number_of(date(2026, 9, 10))


def heaviest() -> Shower:
    days = range(number_of(date(2026, 5, 1)), number_of(date(2026, 11, 1)))
    return max((s for day in days for s in RAIN.showers(day)), key=lambda s: s.total(CENTRE))


class OneShower(Rain):
    """A year with this shower alone."""

    def __init__(self, shower: Shower) -> None:
        super().__init__("")
        day = rain_day(shower.start)
        self.showers = lru_cache(lambda asked: (shower,) if asked == day else ())


@pytest.mark.parametrize("stream", [water.RIVER, water.CANAL, water.POND])
def test_level_rises_after_rain_and_falls(stream: water.Stream) -> None:
    begins = heaviest().begins(CENTRE)
    rain = OneShower(heaviest())
    course = [water.level(stream, rain, begins + stream.lag * n / 10, CENTRE) for n in range(60)]
    top = course.index(max(course))
    assert course[top] - course[0] > 0.05
    assert 5 <= top <= 30
    assert course[-1] < course[top] - 0.5 * (course[top] - course[0])


@pytest.mark.parametrize("stream", [water.RIVER, water.CANAL, water.POND])
def test_a_year_stays_between_its_bed_and_not_far_above_its_banks(stream: water.Stream) -> None:
    for seed in range(4):
        rain = City(f"{seed}", START).weather.rain
        levels = [water.level(stream, rain, 24.0 * (CITY.since + n), CENTRE) for n in range(365)]
        assert min(levels) > 0.3
        assert max(levels) < stream.bank + 1.0
        assert mean(levels[240:300]) > mean(levels[60:120]) + 0.2
        assert max(abs(a - b) for a, b in pairwise(levels)) < 2.0


def test_above_its_banks_water_spreads() -> None:
    low = water.Stream(base=2.4, bank=2.5, monsoon=0.0, lag=6.0, gain=0.03)
    high = water.Stream(base=2.4, bank=9.0, monsoon=0.0, lag=6.0, gain=0.03)
    hours = heaviest().begins(CENTRE) + 7.0
    kept, free = (water.level(stream, RAIN, hours, CENTRE) for stream in (low, high))
    assert free > 2.6
    assert kept == pytest.approx(2.5 + 0.3 * (free - 2.5))


@pytest.mark.parametrize("day", [DRY, WET])
def test_pumps_cycle_between_two_levels(day: int) -> None:
    station = Station("7", RAIN, CENTRE, CITY.since)
    states = [station.state(24.0 * day + minute / 60) for minute in range(2 * 1440)]
    levels = [level for level, _ in states]
    assert LOW - 0.001 <= min(levels) < LOW + 0.2
    assert HIGH - 0.2 < max(levels) <= HIGH + 0.001
    starts = sum(now and not before for (_, before), (_, now) in pairwise(states))
    assert 20 <= starts <= 400
    for (before, _), (now, running) in pairwise(states):
        assert abs(now - before) < 0.3
        if running and now < before:
            assert station.power(0) in (0.0, station.watts)


def test_energy_is_what_the_pump_drew() -> None:
    station = Station("7", RAIN, CENTRE, CITY.since)
    counted = station.energy(24.0 * DRY + 24.0) - station.energy(24.0 * DRY)
    drawn = sum(station.power(24.0 * DRY + minute / 60) for minute in range(1440)) / 60
    assert counted == pytest.approx(drawn, rel=0.03)
    assert 2_000 < counted < 60_000


def test_rain_comes_into_the_sewers() -> None:
    station = Station("7", RAIN, CENTRE, CITY.since)
    shower = heaviest()
    before, after = shower.begins(CENTRE) - 0.5, shower.begins(CENTRE) + shower.hours
    assert station.inflow(after) > 2 * station.inflow(before)


def test_sensors_near_each_other_share_a_station() -> None:
    here, near, far = (CITY.station(Spot(east, 0.3)) for east in (0.2, 0.9, 40.0))
    assert here.watts == near.watts
    assert here.state(24.0 * DRY + 9) == near.state(24.0 * DRY + 9)
    assert here.watts != far.watts
