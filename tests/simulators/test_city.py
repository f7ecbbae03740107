"""Every family of the city: what it says is read without a warning and is plausible, for a day."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from decoders import catalogue
from decoders.decode import decode_payload
from khaen.reading import EventKind, Quality
from simulators.city import SENSORS, Button, Walk
from simulators.payloads import decentlab
from simulators.payloads.milesight import Press

START = datetime(2026, 4, 13, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize("family", SENSORS)
def test_a_day_of_reports_is_plausible(family: str) -> None:
    sensor = SENSORS[family](Random(family))
    quantities = set()
    for minutes in range(0, 24 * 60, 15):
        message = sensor.report(START + timedelta(minutes=minutes))
        decoded = decode_payload(family, message.f_port, message.payload)
        assert decoded.warnings == ()
        assert decoded.events == ()
        assert decoded.readings
        assert all(reading.quality is Quality.GOOD for reading in decoded.readings)
        quantities |= {reading.quantity for reading in decoded.readings}
    assert quantities <= catalogue.family(family).quantities
    assert len(quantities) >= (1 if family == "milesight_ws101" else 2)


@pytest.mark.parametrize("family", SENSORS)
def test_same_seed_says_the_same(family: str) -> None:
    def day(seed: int) -> list[bytes]:
        sensor = SENSORS[family](Random(seed))
        return [sensor.report(START + timedelta(hours=n)).payload for n in range(24)]

    assert day(5) == day(5)


def test_long_press_of_the_button_is_a_call() -> None:
    message = Button(Random(1)).press(Press.LONG)
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


def test_walk_stays_within_its_range_and_near_its_mean() -> None:
    walk = Walk(Random(1), 20.0, 5.0, 15.0, 25.0)
    values = [walk.at(START + timedelta(minutes=n)) for n in range(20_000)]
    assert min(values) >= 15.0
    assert max(values) <= 25.0
    assert sum(values) / len(values) == pytest.approx(20.0, abs=0.7)
