"""Meters whose counters agree with their power; lamps in the dark; bins; the sun."""

from datetime import UTC, date, datetime

import pytest

from simulators.city import City, sun, waste
from simulators.city.hours import CENTRE, number_of, weekday_of
from simulators.city.lights import LINES, SWITCHING, Cabinet
from simulators.city.power import Mains, Refrigerator, Register, SolarRoof

START = datetime(2026, 1, 1, tzinfo=UTC)
CITY = City("7", START)
DAY = number_of(date(2026, 3, 20))


def test_register_adds_days_and_does_not_mind_the_order() -> None:
    register = Register(10, float)
    assert register.before(13) == 10 + 11 + 12
    assert register.before(11) == 10
    assert register.before(10) == 0


@pytest.mark.parametrize(
    "load",
    [
        Refrigerator(CITY.weather, 140.0, CITY.since),
        SolarRoof(CITY.weather, 1500.0, CENTRE, CITY.since),
        Cabinet("a", CITY.since),
    ],
    ids=lambda load: type(load).__name__,
)
def test_counter_counts_what_is_drawn(load: Refrigerator | SolarRoof | Cabinet) -> None:
    drawn = sum(load.power(24.0 * DAY + (n + 0.5) / 12) for n in range(288)) / 12
    assert load.energy(24.0 * DAY + 24.0) - load.energy(24.0 * DAY) == pytest.approx(
        drawn, rel=0.05
    )
    counted = [load.energy(24.0 * DAY + n / 12) for n in range(2 * 288)]
    assert counted == sorted(counted)


def test_solar_roof_gives_nothing_at_night_and_a_plausible_day() -> None:
    roof = SolarRoof(CITY.weather, 1000.0, CENTRE, CITY.since)
    assert roof.power(24.0 * DAY + 2) == roof.power(24.0 * DAY + 21) == 0.0
    for day in range(DAY, DAY + 30):
        noon = max(roof.power(24.0 * day + hour) for hour in (11.5, 12.0, 12.5))
        assert 100 < noon < 900
        # 3 to 5 kWh for each kW of panels on most days.
        assert 1_000 < roof.energy(24.0 * day + 24) - roof.energy(24.0 * day) < 6_500


def test_lamps_burn_in_the_dark_only() -> None:
    cabinet = Cabinet("a", CITY.since)
    lit = 0
    for day in range(DAY, DAY + 60):
        off, on = sun.light(day, SWITCHING)
        assert 5.0 < off < 6.8
        assert 17.5 < on < 19.2
        assert cabinet.lines(24.0 * day + 12) == 0
        assert cabinet.power(24.0 * day + 12) == 0.0
        lines = cabinet.lines(24.0 * day + 22).bit_count()
        assert lines >= LINES - 2
        lit += lines
        assert cabinet.power(24.0 * day + 22) <= LINES * 6 * 36.0
    assert lit >= 0.95 * 60 * LINES


def test_some_lamp_fails_and_is_mended() -> None:
    whole = LINES * 6 * 36.0
    for seed in range(5):
        cabinet = Cabinet(f"{seed}", CITY.since)
        powers = [cabinet.power(24.0 * (CITY.since + day) + 1) for day in range(365)]
        poor = sum(power < whole for power in powers)
        assert 5 <= poor <= 200
        assert min(powers) > 0.7 * whole


def test_voltage_is_that_of_the_grid() -> None:
    mains = Mains("a")
    volts = [mains.voltage(24.0 * DAY + n / 10) for n in range(2400)]
    assert min(volts) >= 208
    assert max(volts) <= 252
    assert sum(volts) / len(volts) == pytest.approx(228, abs=2)


@pytest.mark.parametrize("habit", [waste.STREET, waste.MARKET, waste.CLINIC])
def test_containers_fill_and_are_emptied_on_their_rounds(habit: waste.Habit) -> None:
    filling = waste.Filling("a", habit, 1.0)
    emptied: list[int] = []
    before = filling.at(24.0 * DAY)
    for quarter in range(1, 60 * 96):
        now = filling.at(24.0 * DAY + quarter / 4)
        assert 0.0 <= now <= 1.0
        if now < before - 0.01:
            emptied.append(DAY + quarter // 96)
            assert now < 0.2
        before = now
    assert {weekday_of(day) for day in emptied} <= habit.rounds
    due = 60 / 7 * len(habit.rounds)
    assert 0.75 * due <= len(emptied) <= due + 1


def test_a_container_fills_while_people_are_about() -> None:
    filling = waste.Filling("a", waste.CLINIC, 1.0)
    monday = next(day for day in range(DAY, DAY + 7) if weekday_of(day) == 0)
    assert filling.at(24.0 * monday + 1) == filling.at(24.0 * monday + 5)
    worked = filling.at(24.0 * monday + 22) - filling.at(24.0 * monday + 6)
    assert worked == pytest.approx(0.13 * 1.3)
