"""The band's payloads, against the cited vectors of the family that reads them, and back again."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders import decode as decoding
from khaen.reading import Decoded, EventKind
from simulators.payloads import wristband
from simulators.payloads.wristband import Stage, Telemetry

FAMILY = "khaen_wristband"
VECTORS = json.loads(
    Path(decoding.__file__).with_name("families").joinpath(f"{FAMILY}.json").read_text()
)["vectors"]
STAGES = {"impact": 0, "still": 1, "moving": 2, "cancelled": 3}


def encode(f_port: int, fields: dict[str, Any]) -> bytes:
    """A frame of the vectors' own fields."""
    values = dict(fields)
    if f_port == wristband.TELEMETRY_PORT:
        return wristband.encode_telemetry(Telemetry(**values))
    if f_port == wristband.SOS_PORT:
        return wristband.encode_sos(**values)
    return wristband.encode_fall(Stage(STAGES[values.pop("stage")]), **values)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "fields" in v], ids=lambda vector: vector["name"]
)
def test_cited_vector_is_encoded_to_the_byte(vector: dict[str, Any]) -> None:
    assert encode(vector["f_port"], vector["fields"]).hex() == vector["hex"]


def values(decoded: Decoded) -> dict[str, float]:
    return {reading.quantity: reading.value for reading in decoded.readings}


@given(
    battery=st.none() | st.integers(0, 100),
    heart_rate=st.none() | st.integers(20, 255),
    spo2=st.none() | st.integers(50, 100),
    quality=st.none() | st.integers(0, 10),
    activity=st.none() | st.integers(0, 10),
    skin=st.none() | st.integers(1000, 4500),
    steps=st.integers(0, 200_000),
    still=st.integers(0, 1000),
    worn=st.booleans(),
    moving=st.booleans(),
)
def test_telemetry_comes_back(
    battery: int | None,
    heart_rate: int | None,
    spo2: int | None,
    quality: int | None,
    activity: int | None,
    skin: int | None,
    steps: int,
    still: int,
    worn: bool,
    moving: bool,
) -> None:
    payload = wristband.encode_telemetry(
        Telemetry(
            worn=worn,
            charging=False,
            moving=moving,
            battery=battery,
            heart_rate=heart_rate,
            spo2=spo2,
            signal_quality=None if quality is None else quality * 10,
            activity=None if activity is None else activity * 10,
            skin_temperature=None if skin is None else skin / 100,
            steps=steps,
            still_time=still,
        )
    )
    assert len(payload) == 11
    decoded = decoding.decode_payload(FAMILY, wristband.TELEMETRY_PORT, payload)
    expected: dict[str, float | None] = {
        "worn": worn,
        "charging": 0,
        "motion": moving,
        "battery_level": battery,
        "heart_rate": heart_rate,
        "spo2": spo2,
        "signal_quality": None if quality is None else quality * 10,
        "activity": None if activity is None else activity * 10,
        "skin_temperature": None if skin is None else skin / 100,
        "steps": steps % 65536,
        "still_time": min(still, 255),
    }
    assert values(decoded) == {name: v for name, v in expected.items() if v is not None}
    assert decoded.warnings == ()


@given(press=st.integers(0, 1000), battery=st.none() | st.integers(0, 100), age=st.integers(0, 900))
def test_call_comes_back(press: int, battery: int | None, age: int) -> None:
    payload = wristband.encode_sos(press=press, battery=battery, age=age)
    assert len(payload) == 4
    decoded = decoding.decode_payload(FAMILY, wristband.SOS_PORT, payload)
    (event,) = decoded.events
    assert (event.kind, event.press) == (EventKind.SOS, press % 256)
    assert event.detail == {"age_s": min(age, 255)}
    assert values(decoded).get("battery_level") == battery


@pytest.mark.parametrize("stage", Stage)
def test_fall_comes_back(stage: Stage) -> None:
    payload = wristband.encode_fall(stage, fall=300, battery=50, age=61)
    (event,) = decoding.decode_payload(FAMILY, wristband.FALL_PORT, payload).events
    cancelled = stage is Stage.CANCELLED
    assert event.kind is (EventKind.FALL_CANCELLED if cancelled else EventKind.FALL)
    assert event.press == 300 % 256
    still = {Stage.STILL: 1.0, Stage.MOVING: 0.0}.get(stage)
    assert event.detail.get("still") == still


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        wristband.encode_sos(press=1, battery=300, age=0)
    with pytest.raises(ValueError, match="negative"):
        wristband.encode_fall(Stage.IMPACT, fall=1, battery=1, age=-1)
