"""Acts that befall sensors and those who wear bands, done to a site's traffic."""

from datetime import UTC, datetime, timedelta

import pytest

from decoders.decode import decode_payload
from khaen.ids import DevEui
from simulators.acts.on_air import perform
from simulators.acts.subjects import UnknownSubject
from simulators.acts.vocabulary import ACTS
from simulators.payloads.wristband import FALL_PORT, SOS_PORT, TELEMETRY_PORT
from simulators.sites.demonstration import CALLER, make_site
from simulators.traffic import Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
MADE = make_site(1)


def find(family: str) -> DevEui:
    return next(device.dev_eui for device in MADE.site.devices if device.family == family)


def read(traffic: Traffic, family: str, at: float) -> dict[str, float]:
    message = traffic.node(find(family)).model.report(traffic.time(at))
    decoded = decode_payload(family, message.f_port, message.payload)
    return {reading.quantity: reading.value for reading in decoded.readings}


def live(family: str, *acts: dict[str, object]) -> list[dict[str, float]]:
    """What a sensor says each two hours, when each of these happens at noon or an hour later."""
    traffic = Traffic(MADE.site, MADE.keys, seed=1, start=START)
    for number, act in enumerate(acts):
        device = find(family).upper()
        assert perform(
            ACTS.validate_python({"device": device, **act}), traffic, MADE.site, 3600.0 * number
        )
    return [read(traffic, family, 7200.0 * number) for number in range(4)]


def test_sensors_stick_drift_run_down_and_are_mended() -> None:
    family = "milesight_em300_th"
    well = live(family)
    stuck = live(family, {"act": "stick"})
    assert {row["air_temperature"] for row in stuck} == {well[0]["air_temperature"]}
    drifted = live(family, {"act": "drift", "per_hour": 1.5})
    offs = [a["air_temperature"] - b["air_temperature"] for a, b in zip(drifted, well, strict=True)]
    assert offs == pytest.approx([0, 3, 6, 9], abs=0.11)
    assert live(family, {"act": "run_down"})[3]["battery_level"] < 10
    assert live(family, {"act": "stick"}, {"act": "drift"}, {"act": "mend"}) == well


@pytest.mark.parametrize(
    ("act", "family"),
    [
        ("stick", "milesight_ws101"),
        ("drift", "khaen_wristband"),
        ("press_button", "milesight_wts506"),
    ],
)
def test_a_device_that_cannot_do_it_is_named(act: str, family: str) -> None:
    traffic = Traffic(MADE.site, MADE.keys, seed=1, start=START)
    made = ACTS.validate_python({"act": act, "device": find(family)})
    with pytest.raises(UnknownSubject, match=find(family)):
        perform(made, traffic, MADE.site, 0.0)


def wear(**act: object) -> Traffic:
    """The band of one elder, whom something befalls after 10 s."""
    band = next(device for device in MADE.site.devices if device.resident == CALLER)
    site = MADE.site.model_copy(update={"devices": (band,)})
    traffic = Traffic(site, MADE.keys, seed=1, start=START)
    if act:
        assert perform(ACTS.validate_python({"resident": CALLER, **act}), traffic, site, 10.0)
    return traffic


@pytest.mark.parametrize(
    ("act", "port"),
    [
        ({"act": "press", "again": 1, "every_s": 8}, SOS_PORT),
        ({"act": "fall", "then": "moves", "after_s": 5}, FALL_PORT),
        ({"act": "clap"}, FALL_PORT),
    ],
)
def test_a_call_is_on_the_air(act: dict[str, object], port: int) -> None:
    traffic = wear(**act)
    sent = []
    while traffic.next_at < 40:
        sent.append(traffic.step())
    called = [frame.f_port for frame in sent if frame and frame.f_port != TELEMETRY_PORT]
    assert len(called) >= 2
    assert set(called) == {port}


@pytest.mark.parametrize(
    "act",
    [
        {"act": "take_off"},
        {"act": "wander", "metres": 900},
        {"act": "fever", "celsius": 2},
        {"act": "episode", "vital": "spo2", "value": 80},
    ],
)
def test_what_befalls_an_elder_shows_in_her_band_or_where_she_is(act: dict[str, object]) -> None:
    later = START + timedelta(minutes=10)
    calm, befallen = wear().elder(CALLER), wear(**act).elder(CALLER)
    before, after = (each.report(later).payload for each in (calm, befallen))
    assert before != after or befallen.metres_from_home(later) > 100


def test_what_befalls_a_gateway_is_none_of_the_air() -> None:
    cut = ACTS.validate_python({"act": "cut_gateway", "gateway": "gw-1"})
    assert not perform(cut, wear(), MADE.site, 1.0)
