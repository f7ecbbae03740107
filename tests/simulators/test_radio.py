from random import Random

import pytest

from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.region import DATA_RATES
from khaen.site.model import Position
from simulators.device import Device, Message, Transmission
from simulators.radio import (
    REQUIRED_SNR,
    Radio,
    distance_km,
    noise_floor,
    path_loss,
)

NEAR, FAR = GatewayEui("024b4bfffe000001"), GatewayEui("024b4bfffe000002")
MAST = Position(latitude=16.4322, longitude=102.8236)
CHUM_PHAE = Position(latitude=16.5430, longitude=102.0990)
BAND = DevEui("024b4b0000000001")


def make_radio(seed: int = 1) -> Radio:
    return Radio({NEAR: MAST, FAR: CHUM_PHAE}, seed=seed)


def transmit(dev_eui: DevEui, data_rate: int, f_cnt: int = 0) -> Transmission:
    cipher = SessionCipher(dev_addr=DevAddr("014b0001"), nwk_s_key=bytes(16), app_s_key=bytes(16))
    device = Device(
        dev_eui=dev_eui,
        cipher=cipher,
        data_rate=DATA_RATES[data_rate],
        rng=Random(1),
        f_cnt=f_cnt,
    )
    return device.send(Message(f_port=10, payload=bytes(11)), at=0.0)


def north_of(position: Position, km: float) -> Position:
    return Position(latitude=position.latitude + km / 111.195, longitude=position.longitude)


def test_path_loss_is_that_of_the_published_measurement() -> None:
    # Petäjäjärvi et al. 2015: 128.95 dB at 1 km, 23.2 dB more at ten times the distance.
    assert path_loss(1.0) == pytest.approx(128.95)
    assert path_loss(10.0) == pytest.approx(152.15)
    assert path_loss(0.0) == path_loss(0.02)


def test_noise_floor_of_125_khz() -> None:
    assert noise_floor(125_000) == pytest.approx(-117.03, abs=0.01)


def test_distance_of_khon_kaen_and_chum_phae() -> None:
    assert distance_km(MAST, CHUM_PHAE) == pytest.approx(78, abs=1)
    assert distance_km(MAST, north_of(MAST, 5.0)) == pytest.approx(5.0, abs=0.01)


def test_a_near_gateway_hears_and_one_80_km_away_does_not() -> None:
    radio = make_radio()
    radio.place(BAND, north_of(MAST, 0.3))
    (hearing,) = radio.hear(transmit(BAND, 5))
    assert hearing.gateway_eui == NEAR
    assert -120 < hearing.rssi < -60
    assert hearing.snr >= REQUIRED_SNR[7]


def test_data_rate_falls_with_distance() -> None:
    chosen: dict[float, list[int]] = {}
    for km in (0.2, 1.0, 2.5):
        for number in range(40):
            band = DevEui(f"{number:016x}")
            radio = make_radio()
            radio.place(band, north_of(MAST, km))
            chosen.setdefault(km, []).append(radio.choose_data_rate(band, 16.0).index)
    means = [sum(rates) / len(rates) for rates in chosen.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] == 5
    assert min(chosen[2.5]) == 2


def test_nobody_is_heard_below_what_a_chip_demodulates() -> None:
    radio = make_radio()
    heard = 0
    for number in range(300):
        band = DevEui(f"{number:016x}")
        radio.place(band, north_of(MAST, 4.0))
        for hearing in radio.hear(transmit(band, 5)):
            heard += 1
            assert hearing.snr >= REQUIRED_SNR[7]
    assert 0 < heard < 300


def test_same_seed_gives_the_same_hearings() -> None:
    def hearings(seed: int) -> list[tuple[str, int, float]]:
        radio = make_radio(seed)
        radio.place(BAND, north_of(MAST, 1.0))
        return [
            (heard.gateway_eui, heard.rssi, heard.snr)
            for f_cnt in range(50)
            for heard in radio.hear(transmit(BAND, 2, f_cnt))
        ]

    assert hearings(1) == hearings(1)
    assert hearings(1) != hearings(2)
