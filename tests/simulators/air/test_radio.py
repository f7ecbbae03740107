"""Who hears whom: by distance, by data rate, and beside other frames."""

import pytest

from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.region import DATA_RATES
from khaen.site.model import Position
from simulators.air.radio import DEMODULATORS, REQUIRED_SNR, Hearing, Radio
from simulators.devices.device import Transmission

NEAR, FAR = GatewayEui("024b4bfffe000001"), GatewayEui("024b4bfffe000002")
MAST = Position(latitude=16.4322, longitude=102.8236, height=30)
CHUM_PHAE = Position(latitude=16.5430, longitude=102.0990, height=30)
BAND, OTHER = DevEui("024b4b0000000001"), DevEui("024b4b0000000002")
STRONG, WEAK = 16.0, 2.0


def make_radio(seed: int = 1) -> Radio:
    return Radio({NEAR: MAST, FAR: CHUM_PHAE}, seed=seed)


def transmit(
    dev_eui: DevEui,
    data_rate: int,
    number: int = 0,
    *,
    at: float = 0.0,
    frequency: int = 923_200_000,
    eirp: float = STRONG,
) -> Transmission:
    phy = bytes(24)
    return Transmission(
        at=at,
        dev_eui=dev_eui,
        number=number,
        f_cnt=number,
        f_port=10,
        phy=phy,
        data_rate=DATA_RATES[data_rate],
        frequency=frequency,
        eirp=eirp,
        airtime=airtime(len(phy), DATA_RATES[data_rate]),
    )


def north_of(position: Position, km: float) -> Position:
    return Position(latitude=position.latitude + km / 111.195, longitude=position.longitude)


def hear(radio: Radio, sent: Transmission) -> tuple[Hearing, ...]:
    """Who hears a frame that meets no other."""
    return radio.end(radio.begin(sent))


def fly(radio: Radio, *sent: Transmission) -> list[tuple[Hearing, ...]]:
    """Let frames begin and end in the order of their times."""
    flights = [radio.begin(one) for one in sent]
    return [radio.end(flight) for flight in flights]


def beside_the_mast(devices: int) -> tuple[Radio, list[DevEui]]:
    """A radio with devices on one spot 300 m from the mast, in the same shadow."""
    radio = make_radio()
    named = [DevEui(f"{number:016x}") for number in range(devices)]
    for dev_eui in named:
        radio.place(dev_eui, north_of(MAST, 0.3))
    return radio, named


def test_a_near_gateway_hears_and_one_80_km_away_does_not() -> None:
    radio = make_radio()
    radio.place(BAND, north_of(MAST, 0.3))
    (hearing,) = hear(radio, transmit(BAND, 5))
    assert hearing.gateway_eui == NEAR
    assert -120 < hearing.rssi < -50
    assert hearing.snr >= REQUIRED_SNR[7]


def test_data_rate_falls_with_distance() -> None:
    chosen: dict[float, list[int]] = {}
    for km in (0.2, 3.0, 8.0):
        for number in range(40):
            band = DevEui(f"{number:016x}")
            radio = make_radio(number)
            radio.place(band, north_of(MAST, km))
            chosen.setdefault(km, []).append(radio.choose_data_rate(band, STRONG).index)
    means = [sum(rates) / len(rates) for rates in chosen.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] == 5
    assert min(chosen[8.0]) == 2


def test_a_higher_gateway_hears_further() -> None:
    heard = []
    for height in (5.0, 60.0):
        mast = MAST.model_copy(update={"height": height})
        radio = Radio({NEAR: mast}, seed=1)
        radio.place(BAND, north_of(MAST, 4.0))
        heard.append(radio.snr(BAND, NEAR, STRONG))
    assert heard[1] - heard[0] > 10


def test_nobody_is_heard_below_what_a_chip_demodulates() -> None:
    heard = 0
    for number in range(300):
        radio = make_radio(number)
        radio.place(BAND, north_of(MAST, 4.0))
        for hearing in hear(radio, transmit(BAND, 5)):
            heard += 1
            assert hearing.snr >= REQUIRED_SNR[7]
    assert 0 < heard < 300


def test_same_seed_gives_the_same_hearings_whoever_else_is_there() -> None:
    def hearings(seed: int, *, crowd: int) -> list[tuple[str, int, float]]:
        radio = make_radio(seed)
        for number in range(crowd):
            radio.place(DevEui(f"{number:016x}"), north_of(MAST, 0.5))
        radio.place(BAND, north_of(MAST, 1.0))
        return [
            (heard.gateway_eui, heard.rssi, heard.snr)
            for number in range(50)
            for heard in hear(radio, transmit(BAND, 2, number))
        ]

    assert hearings(1, crowd=0) == hearings(1, crowd=5)
    assert hearings(1, crowd=0) != hearings(2, crowd=0)


# -- frames that meet ---------------------------------------------------------


def test_two_equal_frames_at_once_spoil_each_other() -> None:
    radio, (one, two) = beside_the_mast(2)
    assert fly(radio, transmit(one, 5), transmit(two, 5)) == [(), ()]
    assert radio.losses.collided == 2


def test_the_much_stronger_of_two_is_heard() -> None:
    radio, (one, two) = beside_the_mast(2)
    strong, weak = fly(radio, transmit(one, 5, eirp=STRONG), transmit(two, 5, eirp=WEAK))
    assert [hearing.gateway_eui for hearing in strong] == [NEAR]
    assert weak == ()


def test_other_spreading_factors_and_other_channels_do_not_disturb() -> None:
    radio, (one, two, three) = beside_the_mast(3)
    heard = fly(
        radio,
        transmit(one, 5),
        transmit(two, 2),
        transmit(three, 5, frequency=923_400_000),
    )
    assert [len(hearings) for hearings in heard] == [1, 1, 1]


def test_one_after_the_other_does_not_collide() -> None:
    radio, (one, two) = beside_the_mast(2)
    first = transmit(one, 5)
    assert hear(radio, first)
    assert hear(radio, transmit(two, 5, at=first.ends))
    assert radio.losses.collided == 0


def test_a_ninth_frame_at_once_finds_no_demodulator() -> None:
    radio, devices = beside_the_mast(DEMODULATORS + 1)
    sent = [
        transmit(dev_eui, 2 + number % 3, frequency=923_200_000 + 200_000 * (number % 8))
        for number, dev_eui in enumerate(devices)
    ]
    heard = fly(radio, *sent)
    assert [len(hearings) for hearings in heard] == [1] * DEMODULATORS + [0]
    assert radio.losses.no_demodulator == 1


def test_a_gateway_that_transmits_hears_nothing_meanwhile() -> None:
    radio, (one,) = beside_the_mast(1)
    sent = transmit(one, 2, at=10.0)
    flight = radio.begin(sent)
    radio.transmit(NEAR, 10.1, 10.2)
    assert radio.end(flight) == ()
    assert radio.losses.transmitting == 1
    assert hear(radio, transmit(one, 2, 1, at=sent.ends))


# -- downlinks ----------------------------------------------------------------


def test_a_device_hears_a_near_gateway_and_no_far_one() -> None:
    radio, (one,) = beside_the_mast(1)
    snr = radio.reach(NEAR, one, 16.0, DATA_RATES[2], 0)
    assert snr is not None
    assert snr > REQUIRED_SNR[10]
    assert radio.reach(FAR, one, 16.0, DATA_RATES[2], 0) is None
    assert radio.reach(NEAR, one, -120.0, DATA_RATES[2], 0) is None
    assert radio.reach(NEAR, one, 16.0, DATA_RATES[7], 0) is None


def test_fsk_is_not_simulated() -> None:
    radio, (one,) = beside_the_mast(1)
    with pytest.raises(ValueError, match="FSK"):
        hear(radio, transmit(one, 7))
