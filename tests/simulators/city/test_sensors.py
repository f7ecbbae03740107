"""Every family of the city: read without a warning, plausible in every season, and ageing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders import catalogue
from decoders.decode import decode_payload
from khaen.reading import EventKind, Quality, Reading
from khaen.site.model import Position
from simulators.city import SENSORS, Button, City, Sensor
from simulators.payloads import decentlab
from simulators.payloads.milesight import Press

START = datetime(2026, 4, 13, 17, 0, tzinfo=UTC)
PLACES = (
    Position(latitude=16.4158, longitude=102.8394),
    Position(latitude=16.5437, longitude=102.0977),
)


def make(family: str, seed: int = 1, *, start: datetime = START, place: int = 0) -> Sensor:
    return SENSORS[family](Random(f"{seed}|{family}"), City(f"{seed}", start), PLACES[place])


def read(family: str, sensor: Sensor, at: datetime) -> Sequence[Reading]:
    message = sensor.report(at)
    decoded = decode_payload(family, message.f_port, message.payload)
    assert decoded.warnings == ()
    assert decoded.events == ()
    assert decoded.readings
    return decoded.readings


def values(family: str, sensor: Sensor, at: datetime) -> dict[str, float]:
    return {r.quantity: r.value for r in read(family, sensor, at) if not r.channel}


@pytest.mark.parametrize("family", SENSORS)
@given(
    seed=st.integers(0, 50),
    place=st.sampled_from((0, 1)),
    hours=st.integers(-20_000, 45_000),
)
def test_whatever_the_season_every_reading_is_plausible(
    family: str, seed: int, place: int, hours: int
) -> None:
    at = START + timedelta(hours=hours)
    found = read(family, make(family, seed, start=at, place=place), at)
    assert all(reading.quality is Quality.GOOD for reading in found)
    assert {reading.quantity for reading in found} <= catalogue.family(family).quantities


@pytest.mark.parametrize("family", SENSORS)
def test_a_time_has_its_values_whenever_it_is_asked(family: str) -> None:
    times = [START + timedelta(hours=n) for n in range(48)]
    often, seldom, later = make(family), make(family), make(family, start=times[30])
    said = {at: often.report(at) for at in times}
    assert often.report(times[0]) == said[times[0]]
    assert seldom.report(times[40]) == said[times[40]]
    assert later.report(times[40]) == said[times[40]]


@pytest.mark.parametrize("family", [name for name in SENSORS if SENSORS[name].drifts])
def test_a_stuck_sensor_says_the_same_until_it_is_mended(family: str) -> None:
    sensor, well = make(family), make(family)
    times = [START + timedelta(hours=n) for n in range(0, 72, 6)]
    sensor.stick(times[3])
    said = [values(family, sensor, at) for at in times]
    usual = [values(family, well, at) for at in times]
    battery = {"battery_level", "battery_voltage"}
    assert said[:4] == usual[:4]
    for row in said[4:]:
        for quantity in row.keys() - battery:
            assert row[quantity] == pytest.approx(said[3][quantity], abs=0.02)
    sensor.mend()
    assert [values(family, sensor, at) for at in times] == usual


def test_a_drifting_sensor_goes_away_from_the_truth() -> None:
    sensor, well = make("milesight_em300_th"), make("milesight_em300_th")
    sensor.drift(START, 0.5)
    for hours in (0, 4, 20):
        at = START + timedelta(hours=hours)
        said, usual = (values("milesight_em300_th", s, at) for s in (sensor, well))
        off = said["air_temperature"] - usual["air_temperature"]
        assert off == pytest.approx(hours / 2, abs=0.11)
    with pytest.raises(KeyError):
        sensor.drift(START, 1.0, "colour")
    far = values("milesight_em300_th", sensor, START + timedelta(days=90))
    assert far["air_temperature"] == 60.0  # the end of what the instrument can say


@pytest.mark.parametrize(
    ("family", "quantity", "low"),
    [
        ("milesight_em300_th", "battery_level", 10),
        ("milesight_ws101", "battery_level", 10),
        ("decentlab_dl_pm", "battery_voltage", 2.65),
    ],
)
def test_a_battery_runs_down(family: str, quantity: str, low: float) -> None:
    sensor = make(family)
    sensor.run_down(START + timedelta(hours=1))
    assert values(family, sensor, START)[quantity] > low
    assert values(family, sensor, START + timedelta(hours=1))[quantity] < low


def test_batteries_last_for_years_and_are_changed_in_time() -> None:
    for seed in range(20):
        sensor = make("milesight_ws101", seed)
        months = [
            values("milesight_ws101", sensor, START + timedelta(days=30 * n))["battery_level"]
            for n in range(100)
        ]
        assert min(months) >= 10
        assert max(months) > 90
        assert 1 <= sum(b > a for a, b in pairwise(months)) <= 3


def test_small_drift_is_calibrated_away() -> None:
    for seed in range(20):
        ageing = make("milesight_em300_th", seed).ageing
        offs = [abs(ageing.offsets(24.0 * 20_000 + 24.0 * n)["temperature"]) for n in range(800)]
        assert min(offs) < 0.01
        assert max(offs) < 0.6


def test_rooms_are_warmer_and_steadier_than_outside() -> None:
    room, outside = make("milesight_em300_th"), make("milesight_wts506")
    times = [START + timedelta(hours=n) for n in range(7 * 24)]
    inside = [values("milesight_em300_th", room, at)["air_temperature"] for at in times]
    open_air = [values("milesight_wts506", outside, at)["air_temperature"] for at in times]
    assert sum(inside) > sum(open_air)
    assert max(inside) - min(inside) < max(open_air) - min(open_air)


def heat_index(celsius: float, humidity: float) -> float:
    """°C; L. Rothfusz, NWS Southern Region Technical Attachment SR 90-23 (1990)."""
    t, r = celsius * 9 / 5 + 32, humidity
    fahrenheit = (
        -42.379 + 2.04901523 * t + 10.14333127 * r - 0.22475541 * t * r - 6.83783e-3 * t * t
        - 5.481717e-2 * r * r + 1.22874e-3 * t * t * r + 8.5282e-4 * t * r * r
        - 1.99e-6 * t * t * r * r
    )  # fmt: skip
    return (fahrenheit - 32) * 5 / 9


def test_rooms_are_dangerously_hot_in_april_and_cool_in_december() -> None:
    def hottest(month: int) -> list[float]:
        found = []
        for seed in range(3):
            room = make("milesight_em300_th", seed)
            for hours in range(0, 30 * 24, 3):
                at = datetime(2026, month, 1, tzinfo=UTC) + timedelta(hours=hours)
                said = values("milesight_em300_th", room, at)
                found.append(heat_index(said["air_temperature"], said["relative_humidity"]))
        return sorted(found)

    april, december = hottest(4), hottest(12)
    assert 42 < april[-1] < 62
    assert 20 < sum(index >= 42 for index in april) < len(april) / 2
    assert sum(index >= 42 for index in december) == 0


def test_sensors_of_one_place_measure_one_weather() -> None:
    air, roof = make("decentlab_dl_pm"), make("milesight_wts506")
    for hours in range(0, 96, 5):
        at = START + timedelta(hours=hours)
        one, other = values("decentlab_dl_pm", air, at), values("milesight_wts506", roof, at)
        for quantity, spread in (("air_temperature", 0.8), ("relative_humidity", 5.0)):
            assert one[quantity] == pytest.approx(other[quantity], abs=spread)


def test_rain_gauge_counts_the_rain_and_comes_round() -> None:
    sensor = make("milesight_wts506")
    days = [START + timedelta(days=n) for n in range(250)]
    counts = [values("milesight_wts506", sensor, at)["rain_cumulative"] for at in days]
    fallen = sum((b - a) % 655.36 for a, b in pairwise(counts))
    assert 500 < fallen < 2_000
    assert counts != sorted(counts)


def test_long_press_of_the_button_is_a_call() -> None:
    button = make("milesight_ws101")
    assert isinstance(button, Button)
    message = button.press(Press.LONG)
    (event,) = decode_payload("milesight_ws101", message.f_port, message.payload).events
    assert event.kind is EventKind.SOS


def test_published_frame_of_the_air_station_comes_near() -> None:
    # dl-pm.js's own example: what its decoder says, encoded again, up to the particle counts.
    payload = decentlab.encode_dl_pm(
        device=0x1B50,
        battery=3.109,
        pm1_0=3.7,
        pm2_5=3.9,
        pm10=3.9,
        temperature=24.3566,
        humidity=41.6322,
        pressure=968.0,
    )
    published = bytes.fromhex("021b50000f0c25002500270027002701f50107012c012d012d012d67bd618dbd10")
    assert len(payload) == len(published)
    assert payload[:15] == published[:15]
    assert payload[-6:] == published[-6:]
