"""Same seed, same bytes and same times: run twice, beside others, and as they once were."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from khaen.ids import DevEui, parse_dev_addr, parse_dev_eui, parse_gateway_eui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device, Gateway, LoraWan, Organisation, Position, Site, Text
from simulators import city
from simulators.air.radio import Hearing
from simulators.devices.device import Message, Transmission
from simulators.traffic import Pace, Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
GOLDEN = Path(__file__).with_name("first_hour.json")
FAMILY = "milesight_em300_th"
NAME = Text(th="บ้าน", en="house")
MIDDLE = Position(latitude=16.43, longitude=102.83, height=30)


class Gauge:
    """A model of the test's own: a number of its chance, confirmed now and then."""

    def __init__(self, rng: Random, _city: object, _position: Position) -> None:
        self._rng = rng

    def report(self, at: datetime) -> Message:
        assert at >= START
        value = self._rng.getrandbits(32)
        return Message(f_port=2, payload=value.to_bytes(4, "big"), confirmed=value % 5 == 0)


@pytest.fixture(autouse=True)
def gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(city.SENSORS, dict)
    monkeypatch.setitem(city.SENSORS, FAMILY, Gauge)


def make_site(devices: int) -> tuple[Site, Mapping[DevEui, SessionKeys]]:
    """Devices on a line away from two gateways, each further than the one before."""
    gateways = tuple(
        Gateway(
            eui=parse_gateway_eui(f"024b4bfffe{number:06x}"),
            name=f"mast {number}",
            organisation="town",
            position=MIDDLE.model_copy(update={"longitude": MIDDLE.longitude + number / 100}),
            simulated=True,
        )
        for number in range(2)
    )
    listed = tuple(
        Device(
            dev_eui=parse_dev_eui(f"024b4b00{number:08x}"),
            family=FAMILY,
            organisation="town",
            dev_addr=parse_dev_addr(f"014b{number:04x}"),
            position=Position(latitude=16.43 + number / 300, longitude=102.835, height=2),
        )
        for number in range(devices)
    )
    site = Site(
        site="line",
        name=NAME,
        lorawan=LoraWan(prefixes=("014b0000/16",)),
        organisations=(Organisation(id="town", name=NAME, simulated=True),),
        gateways=gateways,
        devices=listed,
        keys_file=Path("keys.csv"),
    )
    keys = {
        device.dev_eui: SessionKeys(
            nwk_s_key=hashlib.sha256(f"n{device.dev_eui}".encode()).digest()[:16],
            app_s_key=hashlib.sha256(f"a{device.dev_eui}".encode()).digest()[:16],
        )
        for device in listed
    }
    return site, keys


def play(
    devices: int, seconds: float, *, seed: int = 1, every: float = 60.0
) -> list[tuple[Transmission, tuple[Hearing, ...]]]:
    site, keys = make_site(devices)
    pace = Pace(wristband=every, sensor=every)
    traffic = Traffic(site, keys, seed=seed, start=START, pace=pace)
    heard: list[tuple[Transmission, tuple[Hearing, ...]]] = []
    traffic.listen(lambda sent, hearings: heard.append((sent, hearings)))
    while traffic.next_at <= seconds:
        traffic.step()
    return heard


def test_twice_the_same() -> None:
    assert play(6, 900.0) == play(6, 900.0)
    assert play(6, 900.0) != play(6, 900.0, seed=2)


def test_devices_added_change_no_frame_of_the_others() -> None:
    few = [sent for sent, _ in play(4, 900.0)]
    names = {sent.dev_eui for sent in few}
    assert few == [sent for sent, _ in play(12, 900.0) if sent.dev_eui in names]


def test_they_may_spoil_what_is_heard_and_nothing_else() -> None:
    alone = {(sent.dev_eui, sent.number): heard for sent, heard in play(2, 900.0, every=10.0)}
    crowded = play(14, 900.0, every=10.0)
    for sent, heard in crowded:
        if (sent.dev_eui, sent.number) in alone:
            assert set(heard) <= set(alone[sent.dev_eui, sent.number])


def test_first_hour_is_the_one_on_file() -> None:
    """Where the model of the air is changed on purpose, the file says what the hour is now."""
    heard = play(8, 3600.0)
    digest = hashlib.sha256()
    for sent, hearings in heard:
        where = [(hearing.gateway_eui, hearing.rssi, hearing.snr) for hearing in hearings]
        line = (
            round(sent.at, 6), sent.dev_eui, sent.phy.hex(), sent.frequency, sent.data_rate.name,
            round(sent.eirp, 3), where,
        )  # fmt: skip
        digest.update(json.dumps(line).encode())
    now = {
        "frames": len(heard),
        "receptions": sum(len(hearings) for _, hearings in heard),
        "sha256": digest.hexdigest(),
    }
    assert now == json.loads(GOLDEN.read_text())
