"""The demonstration site's traffic in simulated time: deterministic, lawful, and readable."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from decoders.decode import decode_payload
from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, parse
from khaen.reading import Decoded, EventKind, Quality
from khaen.site.model import Device
from simulators.devices.device import Transmission
from simulators.payloads.wristband import FALL_PORT, SOS_PORT, TELEMETRY_PORT, Stage
from simulators.people import Activity
from simulators.sites.demonstration import CALLER, FALLER, Demonstration, make_site
from simulators.traffic import FIRST_WITHIN_S, Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Read:
    """A frame opened with the site's keys and read with its family's decoder."""

    sent: Transmission
    frame: DataFrame
    decoded: Decoded


def make_traffic(made: Demonstration) -> Traffic:
    return Traffic(made.site, made.keys, seed=made.seed, start=START)


def play(traffic: Traffic, until: float) -> list[Transmission]:
    sent = []
    while traffic.next_at <= until:
        if (transmission := traffic.step()) is not None:
            sent.append(transmission)
    return sent


def reader(made: Demonstration) -> Callable[[Transmission], Read]:
    devices: dict[DevEui, Device] = {device.dev_eui: device for device in made.site.devices}

    def read(sent: Transmission) -> Read:
        device, keys = devices[sent.dev_eui], made.keys[sent.dev_eui]
        assert device.dev_addr is not None
        cipher = SessionCipher(
            dev_addr=device.dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key
        )
        frame = parse(sent.phy)
        assert isinstance(frame, DataFrame)
        payload = cipher.open(frame, sent.f_cnt)
        assert payload is not None
        assert frame.f_port is not None
        return Read(sent, frame, decode_payload(device.family, frame.f_port, payload))

    return read


def test_same_seed_gives_the_same_frames_at_the_same_times() -> None:
    def frames(seed: int) -> list[tuple[float, bytes, int]]:
        traffic = make_traffic(make_site(seed))
        traffic.press(CALLER, 6.0)
        traffic.fall(FALLER, 13.0, cancel_s=5.0)
        return [(one.at, one.phy, one.frequency) for one in play(traffic, 120.0)]

    assert frames(3) == frames(3)
    assert frames(3) != frames(4)


def test_everything_that_the_site_says_is_opened_read_and_plausible() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    read = [reader(made)(sent) for sent in play(traffic, 300.0)]
    assert traffic.silent == set()
    assert {one.sent.dev_eui for one in read} == {device.dev_eui for device in made.site.devices}
    for one in read:
        assert one.decoded.warnings == ()
        assert all(reading.quality is Quality.GOOD for reading in one.decoded.readings)
        assert one.decoded.events == ()
    counters: dict[DevEui, list[int]] = {}
    for one in read:
        counters.setdefault(one.sent.dev_eui, []).append(one.sent.f_cnt)
    assert all(counts == list(range(len(counts))) for counts in counters.values())


def test_every_device_is_heard_within_the_first_seconds() -> None:
    made = make_site(2)
    first = {sent.dev_eui for sent in play(make_traffic(made), FIRST_WITHIN_S)}
    assert len(first) == len(made.site.devices)


def test_reports_keep_the_duty_cycle_and_the_dwell_time() -> None:
    made = make_site(1)
    by_device: dict[DevEui, list[Transmission]] = {}
    for sent in play(make_traffic(made), 1800.0):
        by_device.setdefault(sent.dev_eui, []).append(sent)
    for sent_by in by_device.values():
        assert all(sent.airtime <= 0.4 for sent in sent_by)
        for earlier, later in pairwise(sent_by):
            assert later.at - earlier.at >= earlier.airtime * 100 - 1e-6


def calls(made: Demonstration, traffic: Traffic, until: float, port: int) -> list[Read]:
    return [reader(made)(sent) for sent in play(traffic, until) if sent.f_port == port]


def test_a_call_is_sent_at_once_and_repeated_under_new_counters_for_3_minutes() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    traffic.press(CALLER, 6.0)
    heard = calls(made, traffic, 400.0, SOS_PORT)
    assert heard[0].sent.at == pytest.approx(6.0, abs=0.5)
    assert heard[-1].sent.at < 6.0 + 181
    assert len(heard) >= 12
    events = [one.decoded.events[0] for one in heard]
    assert {event.kind for event in events} == {EventKind.SOS}
    assert len({event.press for event in events}) == 1
    assert all(one.frame.confirmed for one in heard)
    assert len({one.sent.f_cnt for one in heard}) == len(heard)
    assert all(9.0 <= b.sent.at - a.sent.at <= 16.0 for a, b in pairwise(heard))


def test_a_new_press_ends_the_repeats_of_the_earlier_one() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    traffic.press(CALLER, 6.0)
    early = calls(made, traffic, 40.0, SOS_PORT)
    traffic.press(CALLER, 40.0)
    later = calls(made, traffic, 300.0, SOS_PORT)
    (first,) = {one.decoded.events[0].press for one in early}
    (second,) = {one.decoded.events[0].press for one in later}
    assert first is not None
    assert second == (first + 1) % 256


def test_a_fall_is_an_impact_first_and_stillness_when_the_time_to_cancel_is_over() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    traffic.fall(FALLER, 13.0, cancel_s=5.0)
    heard = calls(made, traffic, 60.0, FALL_PORT)
    events = [one.decoded.events[0] for one in heard]
    assert {event.kind for event in events} == {EventKind.FALL}
    assert len({event.press for event in events}) == 1
    still = [event.detail.get("still") for event in events]
    assert still == [None, *[1.0] * (len(events) - 1)]
    assert heard[1].sent.at - heard[0].sent.at == pytest.approx(5.0, abs=0.5)


def test_only_elders_of_the_site_press_and_fall() -> None:
    traffic = make_traffic(make_site(1))
    with pytest.raises(KeyError):
        traffic.press("R-9999", 1.0)
    sensor = next(d for d in make_site(1).site.devices if d.family == "milesight_em300_th")
    with pytest.raises(KeyError):
        traffic.press_button(sensor.dev_eui, 1.0)


def test_a_button_of_the_city_calls() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    button = next(d for d in made.site.devices if d.family == "milesight_ws101")
    traffic.press_button(button.dev_eui, 3.0)
    heard = [reader(made)(sent) for sent in play(traffic, 20.0) if sent.dev_eui == button.dev_eui]
    kinds = [event.kind for one in heard for event in one.decoded.events]
    assert kinds == [EventKind.SOS]


def test_telemetry_is_on_its_port_and_unconfirmed() -> None:
    made = make_site(1)
    wristband = made.site.devices[0].dev_eui
    sent = [one for one in play(make_traffic(made), 60.0) if one.dev_eui == wristband]
    assert {one.f_port for one in sent} == {TELEMETRY_PORT}
    assert not any(reader(made)(one).frame.confirmed for one in sent)


def test_devices_that_nobody_can_simulate_stay_silent_and_are_named() -> None:
    made = make_site(1)
    strange = made.site.devices[0].model_copy(update={"family": "unheard_of"})
    site = made.site.model_copy(update={"devices": (strange,)})
    traffic = Traffic(site, made.keys, seed=1, start=START)
    assert traffic.silent == {"unheard_of"}
    assert play(traffic, 60.0) == []


def test_she_presses_again_only_while_nobody_answers() -> None:
    made = make_site(1)
    for answered, presses in ((False, 2), (True, 1)):
        traffic = make_traffic(made)
        band = traffic.press(CALLER, 6.0)
        if answered:
            traffic.hear_downlink(band, 13, bytes.fromhex("1101"), 60.0)
        traffic.press(CALLER, 206.0, again=True)
        heard = calls(made, traffic, 300.0, SOS_PORT)
        assert len({one.decoded.events[0].press for one in heard}) == presses


def test_one_who_moves_after_a_fall_is_up_and_one_who_takes_it_back_was_never_down() -> None:
    made = make_site(1)
    for then, activity in (
        (Stage.STILL, Activity.FALLEN),
        (Stage.MOVING, Activity.WALKING),
        (Stage.CANCELLED, Activity.RESTING),
    ):
        traffic = make_traffic(made)
        traffic.fall(FALLER, 13.0, cancel_s=5.0, then=then)
        play(traffic, 60.0)
        assert traffic.elder(FALLER).activity is activity


def test_one_who_wanders_out_of_reach_is_not_heard_until_she_is_back() -> None:
    made = make_site(1)
    traffic = make_traffic(made)
    band = traffic.residents[CALLER]
    heard: list[float] = []
    traffic.listen(lambda sent, by: heard.append(sent.at) if by and sent.dev_eui == band else None)
    traffic.elder(CALLER).wander(START, 100_000, 60)
    play(traffic, 3700.0)
    assert not [at for at in heard if 1000 < at < 2600]
    assert [at for at in heard if at > 3600]
