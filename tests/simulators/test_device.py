from itertools import pairwise
from random import Random

import pytest

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, MType, parse
from khaen.lorawan.region import DATA_RATES, THAI_CHANNELS
from simulators.device import Device, Message, Transmission, repeat_ages

DEV_EUI = DevEui("024b4b0000000001")
DEV_ADDR = DevAddr("014b0001")


def make_cipher() -> SessionCipher:
    return SessionCipher(dev_addr=DEV_ADDR, nwk_s_key=bytes(range(16)), app_s_key=bytes(16))


def make_device(seed: int = 1, *, f_cnt: int = 0, data_rate: int = 2) -> Device:
    return Device(
        dev_eui=DEV_EUI,
        cipher=make_cipher(),
        data_rate=DATA_RATES[data_rate],
        rng=Random(seed),
        f_cnt=f_cnt,
    )


def open_frame(sent: Transmission) -> tuple[DataFrame, bytes]:
    frame = parse(sent.phy)
    assert isinstance(frame, DataFrame)
    payload = make_cipher().open(frame, sent.f_cnt)
    assert payload is not None
    return frame, payload


def test_frames_open_with_the_session_and_count_up() -> None:
    device = make_device(f_cnt=65_535)
    for count in (65_535, 65_536):
        sent = device.send(Message(f_port=10, payload=b"hello"), at=1.5)
        frame, payload = open_frame(sent)
        assert payload == b"hello"
        assert (frame.mtype, frame.f_port) == (MType.UNCONFIRMED_DATA_UP, 10)
        assert (sent.f_cnt, frame.f_cnt16) == (count, count & 0xFFFF)


def test_call_is_confirmed() -> None:
    sent = make_device().send(Message(f_port=11, payload=b"help", confirmed=True), at=0.0)
    frame, _ = open_frame(sent)
    assert frame.mtype is MType.CONFIRMED_DATA_UP
    assert frame.dev_addr == DEV_ADDR


def test_air_time_is_that_of_the_published_table() -> None:
    # RP002 sizes: 23 bytes of PHYPayload (11 of telemetry with 13 around, less one) take 370.7 ms.
    sent = make_device().send(Message(f_port=10, payload=bytes(10)), at=2.0)
    assert len(sent.phy) == 23
    assert sent.airtime == pytest.approx(0.3707, abs=0.0001)
    assert sent.ends == pytest.approx(2.3707, abs=0.0001)
    assert make_device().quiet_time(sent) == pytest.approx(37.07, abs=0.01)


def test_telemetry_of_eleven_bytes_keeps_the_dwell_time_and_twelve_do_not() -> None:
    sent = make_device().send(Message(f_port=10, payload=bytes(11)), at=0.0)
    assert sent.airtime <= 0.4
    with pytest.raises(ValueError, match="do not fit at DR2"):
        make_device().send(Message(f_port=10, payload=bytes(12)), at=0.0)


def test_channels_are_those_of_the_data_rate() -> None:
    device = make_device(data_rate=5)
    used = {device.send(Message(f_port=1, payload=b""), at=0.0).frequency for _ in range(200)}
    assert used == {channel.frequency for channel in THAI_CHANNELS if channel.max_dr == 5}


def test_same_seed_gives_the_same_bytes() -> None:
    def frames(seed: int) -> list[tuple[bytes, int]]:
        device = make_device(seed)
        sent = [device.send(Message(f_port=10, payload=bytes((n,))), at=n) for n in range(20)]
        return [(one.phy, one.frequency) for one in sent]

    assert frames(7) == frames(7)
    assert frames(7) != frames(8)


def test_a_call_is_repeated_each_10_to_15_seconds_for_3_minutes() -> None:
    ages = list(repeat_ages(Random(3)))
    gaps = [later - earlier for earlier, later in pairwise(ages)]
    assert ages[0] == 0.0
    assert all(10.0 <= gap <= 15.0 for gap in gaps)
    assert 165.0 <= ages[-1] < 180.0
