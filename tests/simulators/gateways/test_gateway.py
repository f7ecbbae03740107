"""The concentrator's counter and its queue."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.ids import GatewayEui
from khaen.lorawan.region import DATA_RATES
from khaen.site.model import Position
from simulators.gateways.gateway import LEAD_S, MOST_ADVANCE_S, Gateway, Packet, TxError

EUI = GatewayEui("024b4bfffe000001")
HALF_TURN_S = 2**31 / 1e6


def make_gateway() -> tuple[Gateway, list[Packet]]:
    emitted: list[Packet] = []
    mast = Position(latitude=16.4, longitude=102.8, height=30)
    return Gateway(EUI, mast, lambda _eui, packet: emitted.append(packet)), emitted


def packet(at: float, *, power: int = 16, frequency: int = 923_200_000) -> Packet:
    return Packet(phy=bytes(20), frequency=frequency, data_rate=DATA_RATES[2], power=power, at=at)


@given(st.floats(0, 1e7), st.floats(-HALF_TURN_S + 1, HALF_TURN_S - 1))
def test_counter_names_the_nearest_time_however_often_it_came_round(
    now: float, ahead: float
) -> None:
    gateway, _ = make_gateway()
    at = now + ahead
    assert 0 <= gateway.counter(at) < 2**32
    assert gateway.time_of(gateway.counter(at), now) == pytest.approx(at, abs=2e-6)


@pytest.mark.parametrize(
    ("ahead", "error"),
    [
        (-1.0, TxError.TOO_LATE),
        (LEAD_S - 0.001, TxError.TOO_LATE),
        (LEAD_S + 0.001, None),
        (5.0, None),
        (MOST_ADVANCE_S + 1, TxError.TOO_EARLY),
    ],
)
def test_packet_comes_neither_too_late_nor_too_early(ahead: float, error: TxError | None) -> None:
    gateway, emitted = make_gateway()
    assert gateway.schedule(packet(100.0 + ahead), 100.0) is error
    assert len(emitted) == (error is None)


def test_power_and_frequency_have_limits() -> None:
    gateway, _ = make_gateway()
    assert gateway.schedule(packet(1.0, power=28), 0.0) is TxError.TX_POWER
    assert gateway.schedule(packet(1.0, frequency=868_100_000), 0.0) is TxError.TX_FREQ
    assert gateway.schedule(packet(1.0, power=27), 0.0) is None


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 8)), max_size=30))
def test_what_is_taken_never_overlaps(asked: list[tuple[float, float]]) -> None:
    gateway, emitted = make_gateway()
    now = 0.0
    for wait, ahead in asked:
        now += wait
        error = gateway.schedule(packet(now + ahead), now)
        assert error in (None, TxError.COLLISION_PACKET)
    taken = sorted(emitted, key=lambda one: one.at)
    for earlier, later in pairwise(taken):
        assert later.at >= earlier.ends
