"""Seasons of Khon Kaen, over several years that chance has made."""

from datetime import UTC, date, datetime
from statistics import mean

import pytest

from khaen.site.model import Position
from simulators.city import City, climate, sun
from simulators.city.hours import CENTRE, Spot, hours_of, number_of, spot_of
from simulators.city.noise import Noise
from simulators.city.rain import MORNING, Rain, rain_day
from simulators.city.weather import saturation

START = datetime(2026, 1, 1, tzinfo=UTC)
CHUM_PHAE = spot_of(Position(latitude=16.54, longitude=102.1))
YEAR = range(number_of(date(2026, 1, 1)), number_of(date(2027, 1, 1)))
SEEDS = range(8)


@pytest.fixture(scope="module")
def cities() -> list[City]:
    return [City(f"{seed}", START) for seed in SEEDS]


def days_of(number: int) -> list[int]:
    return [day for day in YEAR if climate.month_of(day) == number - 1]


def through(days: list[int], step: int = 3) -> list[float]:
    return [24.0 * day + hour for day in days for hour in range(0, 24, step)]


@pytest.mark.parametrize("spot", [CENTRE, CHUM_PHAE])
def test_a_year_has_the_rain_that_is_usual(cities: list[City], spot: Spot) -> None:
    years = [sum(city.weather.rain.day(day, spot) for day in YEAR) for city in cities]
    assert mean(years) == pytest.approx(sum(climate.RAIN), rel=0.15)
    assert all(600 < year < 2200 for year in years)
    wet = [sum(city.weather.rain.day(day, spot) >= 0.1 for day in YEAR) for city in cities]
    assert mean(wet) == pytest.approx(sum(climate.RAIN_DAYS), rel=0.15)


def test_rain_comes_with_the_monsoon() -> None:
    years = [Rain(f"{seed}") for seed in range(30)]
    for number, usual in enumerate(climate.RAIN, start=1):
        fallen = mean(sum(rain.day(day, CENTRE) for day in days_of(number)) for rain in years)
        assert fallen == pytest.approx(usual, rel=0.3, abs=5)


def test_a_rain_day_runs_from_seven_to_seven(cities: list[City]) -> None:
    rain = cities[0].weather.rain
    days = days_of(9)
    for day in days:
        morning = 24.0 * day + MORNING
        assert rain_day(morning) == day
        assert rain_day(morning - 0.01) == day - 1
        assert rain.accumulated(morning, CHUM_PHAE) == 0.0
        last = rain.accumulated(morning + 23.999, CHUM_PHAE)
        assert last == pytest.approx(rain.day(day, CHUM_PHAE))
        fallen = [rain.accumulated(morning + n / 4, CHUM_PHAE) for n in range(96)]
        assert fallen == sorted(fallen)


def test_most_rain_falls_from_noon_to_midnight(cities: list[City]) -> None:
    late = total = 0.0
    for city in cities:
        for day in YEAR:
            total += city.weather.rain.day(day, CENTRE)
            noon = city.weather.rain.accumulated(24.0 * day + 12.0, CENTRE)
            late += city.weather.rain.accumulated(24.0 * day + 23.99, CENTRE) - noon
    assert late / total > 0.8


def test_warmth_follows_the_season_and_the_hour(cities: list[City]) -> None:
    def warmth(number: int) -> list[float]:
        return [
            c.weather.temperature(h, CENTRE) for c in cities[:3] for h in through(days_of(number))
        ]

    for number in range(1, 13):
        usual = (climate.HIGH[number - 1] + climate.LOW[number - 1]) / 2
        assert mean(warmth(number)) == pytest.approx(usual, abs=1.8)
    assert mean(warmth(4)) - mean(warmth(12)) > 5
    weather = cities[0].weather
    for day in days_of(2):
        afternoon, dawn = (weather.temperature(24.0 * day + h, CENTRE) for h in (15.0, 6.0))
        assert 5 < afternoon - dawn < 20
        assert weather.humidity(24.0 * day + 15.0, CENTRE) < weather.humidity(
            24.0 * day + 6, CENTRE
        )


def test_air_stays_within_what_a_year_can_bring(cities: list[City]) -> None:
    for city in cities[:2]:
        for hours in through(list(YEAR), step=5):
            weather = city.weather
            assert 5 < weather.temperature(hours, CENTRE) < 45
            assert 10 < weather.humidity(hours, CENTRE) <= 100
            assert 970 < weather.pressure(hours) < 1010
            assert 0 <= weather.wind_speed(hours, CENTRE) < 20
            assert 0 <= weather.wind_direction(hours) < 360
            assert 0 <= weather.cloud(hours, CENTRE) <= 1


def test_a_shower_cools_and_darkens(cities: list[City]) -> None:
    rain = cities[1].weather.rain
    shower = max(
        (shower for day in days_of(7) for shower in rain.showers(day)), key=lambda s: s.amount
    )
    before, after = shower.begins(CENTRE) - 0.1, shower.begins(CENTRE) + shower.hours
    weather = cities[1].weather
    assert weather.temperature(after, CENTRE) < weather.temperature(before, CENTRE) - 1
    assert weather.cloud(after, CENTRE) > 0.9
    assert weather.humidity(after, CENTRE) > 90


def test_fields_burn_from_february_to_april_and_rain_washes_the_air(cities: list[City]) -> None:
    def dust(number: int) -> float:
        return mean(
            city.air.pm2_5(h, CENTRE) for city in cities[:4] for h in through(days_of(number))
        )

    assert dust(3) > 3 * dust(7)
    assert min(dust(2), dust(3)) > max(dust(n) for n in range(5, 12))
    weather, air = cities[0].weather, cities[0].air
    days = days_of(10)
    dry = [air.pm2_5(24.0 * d + 31, CENTRE) for d in days if weather.rain.day(d, CENTRE) < 0.1]
    wet = [air.pm2_5(24.0 * d + 31, CENTRE) for d in days if weather.rain.day(d, CENTRE) > 10]
    assert mean(wet) < 0.8 * mean(dry)


def test_nights_have_no_sun_and_days_a_plausible_amount(cities: list[City]) -> None:
    for number in range(1, 13):
        daily = [city.weather.insolation(day) for city in cities[:3] for day in days_of(number)]
        # Thailand's mean is 18 MJ/m² (5 kWh/m²) a day by its solar maps.
        assert 4.0 < mean(daily) < 7.5
    for day in YEAR:
        rises, sets = sun.light(day)
        assert 5.4 < rises < 6.8
        assert 17.4 < sets < 18.8
        for hours in (24.0 * day + rises - 0.1, 24.0 * day + sets + 0.1):
            assert cities[0].weather.irradiance(hours, CENTRE) == 0.0
        assert 700 < sun.clear_sky(24.0 * day + 12.2) < 1100


def test_noise_is_a_standard_normal_that_forgets() -> None:
    values = [Noise("a", 2.0).at(n) for n in range(0, 8000, 4)]
    assert mean(values) == pytest.approx(0, abs=0.1)
    assert mean(v * v for v in values) == pytest.approx(1, abs=0.12)
    noise = Noise("a", 2.0)
    steps = [abs(noise.at(n / 100) - noise.at((n + 1) / 100)) for n in range(5000)]
    assert max(steps) < 0.06


def test_it_does_not_matter_what_was_asked_before() -> None:
    asked = City("1", START)
    for day in reversed(YEAR):
        asked.weather.temperature(24.0 * day, CENTRE)
        asked.air.pm2_5(24.0 * day + 7, CHUM_PHAE)
    fresh = City("1", datetime(2026, 9, 9, tzinfo=UTC))
    for hours in (hours_of(datetime(2026, 9, 14, hour, 30, tzinfo=UTC)) for hour in range(24)):
        assert asked.weather.temperature(hours, CENTRE) == fresh.weather.temperature(hours, CENTRE)
        assert asked.air.pm2_5(hours, CHUM_PHAE) == fresh.air.pm2_5(hours, CHUM_PHAE)


def test_water_vapour_is_saturated_as_published() -> None:
    # WMO-No. 8, annex 4.B: 6.112 hPa at 0 °C; 42.4 hPa at 30 °C by the tables.
    assert saturation(0.0) == pytest.approx(6.112)
    assert saturation(30.0) == pytest.approx(42.4, abs=0.2)
