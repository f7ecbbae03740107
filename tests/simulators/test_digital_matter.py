"""The tracker's bytes as its maker publishes them, and back through the family that reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.decode import decode_payload
from simulators.payloads import digital_matter


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-179.9, 179.9),
    heading=st.floats(0, 360),
    speed=st.integers(0, 255),
    ignition=st.booleans(),
    battery=st.floats(2.5, 4.2),
    supply=st.floats(0, 32),
    accuracy=st.integers(0, 255),
    time=st.integers(0, 2**32),
)
def test_what_is_encoded_comes_back(
    latitude: float,
    longitude: float,
    heading: float,
    speed: int,
    ignition: bool,
    battery: float,
    supply: float,
    accuracy: int,
    time: int,
) -> None:
    payload = digital_matter.encode_g62(
        latitude=latitude,
        longitude=longitude,
        heading=heading,
        speed=speed,
        ignition=ignition,
        battery=battery,
        supply=supply,
        temperature=31.0,
        accuracy=accuracy,
        time=time,
    )
    decoded = decode_payload("digital_matter_g62", digital_matter.F_PORT, payload)
    assert decoded.warnings == ()
    found = {reading.quantity: reading.value for reading in decoded.readings}
    # The low four bits of a coordinate are flags: 1.6e-6 degrees, less than a step.
    assert found["latitude"] == pytest.approx(latitude, abs=2e-6)
    assert found["longitude"] == pytest.approx(longitude, abs=2e-6)
    assert abs((found["heading"] - heading + 180) % 360 - 180) <= 1.001
    assert found["speed"] * 3.6 == pytest.approx(speed, abs=0.01)
    assert found["ignition"] == ignition
    assert found["battery_voltage"] == pytest.approx(battery, abs=0.0101)
    assert found["voltage"] == pytest.approx(supply, abs=0.00051)
    assert found["position_accuracy"] == accuracy


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="format requires"):
        digital_matter.encode_g62(
            latitude=16.4,
            longitude=102.8,
            heading=0,
            speed=300,
            ignition=True,
            battery=4.1,
            supply=27.0,
            temperature=30,
            accuracy=4,
            time=0,
        )
