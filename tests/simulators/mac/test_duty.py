"""The law's hour, sliding, over whatever a device does."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.devices.device import Message, Transmission
from simulators.mac.duty import HOUR_S, LAWFUL_S, REPORTS_S, DutyCycle
from tests.simulators.mac.band import CALL, Network, make_mac, run


def spent_in_the_worst_hour(sent: list[Transmission]) -> float:
    """Seconds of air in the fullest hour that begins with a frame."""
    return max(
        (
            sum(one.airtime for one in sent if first.at <= one.at < first.at + HOUR_S)
            for first in sent
        ),
        default=0.0,
    )


def test_two_calls_of_three_minutes_fit_beside_all_reports() -> None:
    # 15 frames each of 17 bytes at DR2: 0.33 s.
    assert LAWFUL_S == 36.0
    assert LAWFUL_S - REPORTS_S >= 2 * 15 * 0.33


@given(st.lists(st.tuples(st.floats(0, 2000), st.floats(0.03, 0.4)), max_size=60))
def test_no_hour_holds_more_than_its_budget(asked: list[tuple[float, float]]) -> None:
    duty, at, spent = DutyCycle(), 0.0, list[tuple[float, float]]()
    for wait, airtime in asked:
        at = duty.free_at(at + wait, airtime, 1.5)
        duty.spend(at, airtime)
        spent.append((at, airtime))
    for first, _ in spent:
        hour = sum(airtime for at, airtime in spent if first <= at < first + HOUR_S)
        assert hour <= 1.5 + 1e-9


@settings(max_examples=30)
@given(
    data_rate=st.integers(2, 5),
    nb_trans=st.integers(1, 15),
    each_s=st.floats(5, 900),
    calls=st.lists(st.floats(0, 2 * 86_400), max_size=30),
    exponent=st.integers(0, 15),
)
def test_device_keeps_duty_cycle_and_dwell_time_for_days(
    data_rate: int, nb_trans: int, each_s: float, calls: list[float], exponent: int
) -> None:
    device = make_mac(data_rate)
    device.settings.nb_trans = nb_trans
    device.settings.duty_cycle = exponent
    report = Message(f_port=10, payload=bytes(11))
    acts = [(n * each_s, report) for n in range(min(400, int(2 * 86_400 / each_s)))]
    acts += [(at, CALL) for at in calls]
    sent: list[Transmission] = []
    for at, message in sorted(acts, key=lambda act: act[0]):
        sent += run(device, at)
        if (one := device.send(message, at)) is not None:
            sent.append(one)
    assert sent
    assert spent_in_the_worst_hour(sent) <= LAWFUL_S
    for earlier, later in pairwise(sent):
        assert later.at >= earlier.ends + 2.0
        assert later.at >= earlier.at + earlier.airtime * 2**exponent - 1e-6
    assert all(one.airtime <= 0.4 for one in sent)


def test_reports_leave_room_for_calls() -> None:
    device = make_mac(2, tries=1)
    sent: list[Transmission] = []
    for second in range(0, 7200, 12):
        sent += run(device, second)
        if (one := device.send(Message(f_port=10, payload=bytes(11)), second)) is not None:
            sent.append(one)
    assert spent_in_the_worst_hour(sent) <= REPORTS_S
    calls = 0
    for second in range(7200, 7380, 12):
        calls += device.send(CALL, second) is not None
        calls += sum(one.f_port == 11 for one in run(device, second + 11))
    assert calls == 15


def test_network_s_duty_cycle_binds() -> None:
    device, network = make_mac(5), Network()
    device.settings.duty_cycle = 4
    sent = device.send(CALL, 0.0)
    assert sent is not None
    network.answer(device, sent, ack=True)
    assert device.send(CALL, sent.at + 15 * sent.airtime) is None
