"""Milesight's bytes as the maker publishes them, and back through the families that read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.decode import decode_payload
from khaen.reading import EventKind
from simulators.payloads import milesight
from simulators.payloads.milesight import Press


def test_published_frames_are_encoded_to_the_byte() -> None:
    # SensorDecoders, ws-series/ws101/README.md and em-series/em300-th/README.md
    assert milesight.encode_ws101(Press.SHORT, battery=16).hex() == "017510ff2e01"
    frame = milesight.encode_em300_th(temperature=30.8, humidity=50.5, battery=92)
    assert frame.hex() == "01755c03673401046865"


@pytest.mark.parametrize("press", Press)
def test_press_comes_back(press: Press) -> None:
    decoded = decode_payload("milesight_ws101", 85, milesight.encode_ws101(press, battery=77))
    (event,) = decoded.events
    assert event.kind is (EventKind.SOS if press is Press.LONG else EventKind.BUTTON)
    assert [(r.quantity, r.value) for r in decoded.readings] == [("battery_level", 77)]


@given(tenths=st.integers(-400, 850), halves=st.integers(0, 200))
def test_climate_comes_back(tenths: int, halves: int) -> None:
    payload = milesight.encode_em300_th(temperature=tenths / 10, humidity=halves / 2)
    decoded = decode_payload("milesight_em300_th", 85, payload)
    found = {reading.quantity: reading.value for reading in decoded.readings}
    assert found == {"air_temperature": tenths / 10, "relative_humidity": halves / 2}
    assert decoded.warnings == ()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="format requires"):
        milesight.encode_em300_th(temperature=4000.0, humidity=None)
    with pytest.raises(ValueError, match="something to say"):
        milesight.encode_ws101(None)


def read(family: str, payload: bytes) -> dict[str, float]:
    decoded = decode_payload(family, 85, payload)
    assert decoded.warnings == ()
    return {r.quantity + (r.channel and f" {r.channel}"): r.value for r in decoded.readings}


def test_published_frames_of_the_city_are_encoded_to_the_byte() -> None:
    # SensorDecoders: em-series/em400-mud, em-series/em500-swl, ws-series/ws201, ws523, ws558.
    bin_ = milesight.encode_em400_mud(distance=2.116, temperature=25.7, tilted=True, battery=92)
    assert bin_.hex() == "01755c0367010104824408050001"
    assert milesight.encode_em500_swl(depth=0.02, battery=100).hex() == "01756403770200"
    container = milesight.encode_ws201(distance=0.062, fill=69, battery=100)
    assert container.hex() == "01756403823e0004d645"
    meter = milesight.encode_meter(voltage=235.2, current=0.074, power=7, factor=0.44, energy=26121)
    frame = milesight.encode_ws523_switch(on=True) + meter
    assert frame.hex() == "08700105812c07c94a0003743009068309660000048007000000"
    meter = milesight.encode_meter(voltage=222.6, current=0.002, power=1, factor=1.0, energy=1)
    frame = milesight.encode_ws558_switches(0x0001) + meter
    assert frame.hex() == "0831000105816407c902000374b208068301000000048001000000"


@given(distance=st.integers(0, 9999), tenths=st.integers(-400, 850), tilted=st.booleans())
def test_bin_comes_back(distance: int, tenths: int, tilted: bool) -> None:
    payload = milesight.encode_em400_mud(
        distance=distance / 1000, temperature=tenths / 10, tilted=tilted
    )
    assert read("milesight_em400_mud", payload) == {
        "distance": distance / 1000,
        "air_temperature": tenths / 10,
        "tilt": float(tilted),
    }


@given(depth=st.integers(0, 5000))
def test_depth_comes_back(depth: int) -> None:
    payload = milesight.encode_em500_swl(depth=depth / 100)
    assert read("milesight_em500_swl", payload) == {"water_level": depth / 100}


@given(lines=st.integers(0, 255), volts=st.integers(2000, 2500), watts=st.integers(0, 10**6))
def test_lights_come_back(lines: int, volts: int, watts: int) -> None:
    meter = milesight.encode_meter(
        voltage=volts / 10, current=1.5, power=watts, factor=0.9, energy=12345
    )
    found = read("milesight_ws558", milesight.encode_ws558_switches(lines) + meter)
    assert [found.pop(f"light_on {n + 1}") for n in range(8)] == [lines >> n & 1 for n in range(8)]
    assert found == {
        "voltage": volts / 10,
        "current": 1.5,
        "power_active": watts,
        "power_factor": 0.9,
        "energy_import": 12345,
    }


@given(
    tenths=st.integers(-400, 850),
    pressure=st.integers(3000, 11000),
    wind=st.integers(0, 600),
    direction=st.integers(0, 3599),
    rain=st.integers(0, 0xFFFF),
)
def test_weather_comes_back(
    tenths: int, pressure: int, wind: int, direction: int, rain: int
) -> None:
    payload = milesight.encode_wts506(
        temperature=tenths / 10,
        humidity=60.5,
        pressure=pressure / 10,
        wind_direction=direction / 10,
        wind_speed=wind / 10,
        rain=rain / 100,
    )
    assert read("milesight_wts506", payload) == {
        "air_temperature": tenths / 10,
        "relative_humidity": 60.5,
        "pressure": pressure / 10,
        "wind_direction": direction / 10,
        "wind_speed": wind / 10,
        "rain_cumulative": rain / 100,
    }
