"""What befalls an elder, and her days by the month."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.decode import decode_payload
from khaen.reading import Quality
from khaen.site.model import Position
from simulators.air.propagation import distance_km
from simulators.people import STEPS_PER_MINUTE, Activity, Elder
from simulators.people.day import Days

MIDNIGHT = datetime(2026, 4, 12, 17, 0, tzinfo=UTC)
"""In Khon Kaen."""


def read(elder: Elder, hours: float) -> dict[str, float]:
    message = elder.report(MIDNIGHT + timedelta(hours=hours))
    decoded = decode_payload("khaen_wristband", message.f_port, message.payload)
    assert decoded.warnings == ()
    assert all(reading.quality is Quality.GOOD for reading in decoded.readings)
    return {reading.quantity: reading.value for reading in decoded.readings}


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


@pytest.mark.parametrize("seed", range(20))
def test_a_month_of_days_is_plausible(seed: int) -> None:
    days, now = Days(f"{seed}"), MIDNIGHT
    slept, walked = [0.0] * 30, [0.0] * 30
    while now < at(24 * 30):
        stretch = days.at(now)
        assert stretch.start <= now < stretch.end
        day, hour = divmod((now - MIDNIGHT) / timedelta(hours=1), 24)
        hours = (stretch.end - now) / timedelta(hours=1)
        if stretch.activity is Activity.ASLEEP and not 12 <= hour < 20:
            slept[int(day)] += hours
        if stretch.activity is Activity.WALKING:
            walked[int(day)] += hours
        now = stretch.end
    assert all(6 <= hours <= 9.1 for hours in slept)
    assert all(2_000 <= 60 * STEPS_PER_MINUTE * hours <= 8_000 for hours in walked)


@pytest.mark.parametrize("seed", range(5))
def test_a_month_of_reports_is_plausible(seed: int) -> None:
    elder = Elder(Random(seed), MIDNIGHT)
    said = [read(elder, n / 4) for n in range(30 * 96)]
    assert {row["charging"] for row in said} == {0, 1}
    assert all("heart_rate" not in row for row in said if not row["worn"])
    assert min(row["battery_level"] for row in said[96:]) > 30


def test_a_day_is_the_same_from_wherever_it_is_asked() -> None:
    days = Days("1")
    days.at(at(0))
    assert days.at(at(100)) == Days("1").at(at(100))


def test_fever_rises_over_hours_and_goes() -> None:
    well, ill = Elder(Random(3), MIDNIGHT), Elder(Random(3), MIDNIGHT)
    ill.fever(at(0), 2.4, 4.5)
    rises = []
    for hours in (0.75, 2.0, 4.4, 4.55):
        usual, now = read(well, hours), read(ill, hours)
        rises.append(now["skin_temperature"] - usual["skin_temperature"])
        assert now["heart_rate"] - usual["heart_rate"] == pytest.approx(9 * rises[-1], abs=1)
    assert rises == pytest.approx([1.2, 2.4, 0.16, 0.0], abs=0.011)


def test_band_in_a_drawer_says_so_until_it_is_put_on() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    elder.take_off(at(7))
    before, lost = read(elder, 6.9), read(elder, 17)
    assert (before["worn"], lost["worn"], lost["motion"]) == (1, 0, 0)
    assert "heart_rate" not in lost
    assert lost["steps"] == read(elder, 17.5)["steps"]
    assert lost["skin_temperature"] == pytest.approx(29.0, abs=0.3)
    elder.put_on(at(21))
    assert read(elder, 20.99)["worn"] == 0
    assert read(elder, 21.2)["worn"] == 1


def test_wander_in_the_night_goes_out_and_comes_back() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    elder.wander(at(2), metres=600, minutes=60)
    assert [elder.metres_from_home(at(h)) for h in (1.9, 2.125, 2.5, 2.875, 3.1)] == pytest.approx(
        [0, 300, 600, 300, 0]
    )
    steps = read(elder, 2)["steps"]
    assert (read(elder, 3)["steps"] - steps) % 65536 == pytest.approx(4200, abs=1)


def test_episode_shows_for_its_time() -> None:
    elder = Elder(Random(3), MIDNIGHT, oxygen=90)
    elder.episode("heart_rate", at(2), 30, 150)
    elder.episode("spo2", at(2), 30, 82)
    during, after = read(elder, 2.2), read(elder, 2.6)
    assert during["heart_rate"] == pytest.approx(150, abs=7)
    assert during["spo2"] == pytest.approx(82, abs=4)
    assert after["heart_rate"] < 100
    assert after["spo2"] == pytest.approx(90, abs=4)


def test_what_was_said_stays_said() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    read(elder, 2)
    with pytest.raises(ValueError, match="last spoke"):
        elder.wander(at(1), 100, 10)


def test_fall_is_impact_stillness_and_recovery() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    read(elder, 9)
    elder.fall(at(9.5), minutes=10)
    down, long_down, up = read(elder, 9.52), read(elder, 9.6), read(elder, 9.7)
    assert (down["activity"], long_down["activity"]) == (0, 0)
    assert (long_down["motion"], long_down["still_time"]) == (0, 6)
    assert long_down["heart_rate"] > down["heart_rate"]
    assert (up["motion"], up["still_time"]) == (1, 0)


def test_clap_counts_as_a_fall_of_one_who_moves() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    first = elder.fall(at(9), minutes=5)
    assert elder.clap(at(10)) == (first + 1) % 256
    after = read(elder, 10.001)
    assert after["motion"] == 1
    assert elder.activity is not Activity.FALLEN


def test_she_waits_until_her_band_hears_that_somebody_comes() -> None:
    elder = Elder(Random(3), MIDNIGHT)
    elder.press()
    elder.hear(13, bytes.fromhex("1503000f"), at(1))  # another interval: no answer to her
    elder.hear(12, bytes.fromhex("1601"), at(1))  # another port
    assert elder.waiting
    assert elder.report(at(1)).payload[10] >> 4 == 5
    elder.hear(13, bytes.fromhex("1601"), at(1.1))
    assert elder.report(at(1.2)).payload[10] >> 4 == 6
    assert not elder.waiting


@pytest.mark.parametrize("payload", ["", "16", "2601", "1001", "1609", "160102030405"])
def test_what_a_band_does_not_understand_changes_nothing(payload: str) -> None:
    elder = Elder(Random(3), MIDNIGHT)
    elder.press()
    elder.hear(13, bytes.fromhex(payload), at(1))
    assert elder.waiting
    assert elder.report(at(1)).payload[10] == 0


def test_her_band_is_where_she_is() -> None:
    home = Position(latitude=16.44, longitude=102.83, height=1.0)
    elder = Elder(Random(3), MIDNIGHT)
    elder.wander(at(2), metres=600, minutes=60)
    assert elder.position(at(1), home) == home
    away = elder.position(at(2.5), home)
    assert distance_km(away, home) == pytest.approx(0.6, rel=0.01)
    assert away.height == home.height


def test_a_report_does_not_depend_on_the_others() -> None:
    often, seldom = Elder(Random(3), MIDNIGHT), Elder(Random(3), MIDNIGHT)
    for n in range(1, 100):
        often.report(at(n / 10))
    later, alone = read(often, 12), read(seldom, 12)
    assert later.pop("still_time") == alone.pop("still_time")
    assert later == pytest.approx(alone)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("report", "fall", "clap", "off", "on", "wander", "fever", "press")),
            st.floats(0.01, 20.0),
        ),
        max_size=40,
    ),
    st.integers(0, 20),
)
def test_whatever_befalls_her_her_band_says_what_is_plausible(
    course: list[tuple[str, float]], seed: int
) -> None:
    elder, now = Elder(Random(seed), MIDNIGHT), 0.0
    befall: dict[str, Callable[[datetime], object]] = {
        "report": elder.report,
        "fall": elder.fall,
        "clap": elder.clap,
        "off": elder.take_off,
        "on": elder.put_on,
        "wander": lambda when: elder.wander(when, 500, 40),
        "fever": lambda when: elder.fever(when, 2.0, 10),
        "press": lambda _when: elder.press(),
    }
    for name, hours in course:
        now += hours
        befall[name](at(now))
        said = read(elder, now)
        assert ("heart_rate" in said) == (said["worn"] == 1)
