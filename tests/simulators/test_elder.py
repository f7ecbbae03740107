"""What befalls an elder, and her days by the month."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from decoders.decode import decode_payload
from khaen.reading import Quality
from simulators.people import Activity, Elder
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
    days = Days(f"{seed}")
    for day in range(30):
        minutes = [days.at(at(24 * day + n / 60)).activity for n in range(1440)]
        night = minutes[: 12 * 60] + minutes[20 * 60 :]
        assert 6 <= night.count(Activity.ASLEEP) / 60 <= 9.1
        assert 2_000 <= 70 * minutes.count(Activity.WALKING) <= 8_000


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
