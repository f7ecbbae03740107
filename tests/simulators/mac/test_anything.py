"""Arbitrary bytes at arbitrary times: a device never raises, and can always speak again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from khaen.lorawan.frame import MAX_F_OPTS
from simulators.agenda import NEVER
from tests.simulators.mac.band import CALL, TELEMETRY, Network, make_mac, run

times = st.floats(0, 30)
sealed = st.builds(
    lambda f_opts, f_port, payload, flags: (f_opts, f_port, payload, flags),
    st.binary(max_size=MAX_F_OPTS),
    st.one_of(st.none(), st.integers(0, 255)),
    st.binary(max_size=60),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
acts = st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=80), times),
    st.tuples(st.just("sealed"), sealed, times),
    st.tuples(st.sampled_from(["call", "report", "catch"]), st.none(), times),
)


@settings(max_examples=150)
@given(st.lists(acts, max_size=30), st.booleans(), st.integers(2, 6))
def test_nothing_that_is_heard_stops_a_device(
    story: list[tuple[str, object, float]], adaptive: bool, data_rate: int
) -> None:
    device, network, now = make_mac(data_rate, adaptive=adaptive), Network(), 0.0
    for what, detail, wait in story:
        run(device, now)
        now += wait
        if what == "bytes":
            assert isinstance(detail, bytes)
            device.hear(detail, now, snr=-3.0)
        elif what == "sealed":
            assert isinstance(detail, tuple)
            f_opts, f_port, payload, (ack, confirmed, f_pending) = detail
            phy = network.cipher.seal_downlink(
                f_cnt=network.f_cnt,
                f_port=f_port,
                payload=b"" if f_port is None else payload,
                f_opts=f_opts,
                ack=ack,
                confirmed=confirmed,
                f_pending=f_pending,
            )
            network.f_cnt += 1
            assert device.hear(phy, now, snr=40.0, battery=999) is not None
        elif what == "catch":
            device.catch(now + 0.4)
        else:
            device.send(CALL if what == "call" else TELEMETRY, now)
        assert device.wake_at >= 0
    # 4.5 hours bring the strictest DutyCycleReq to its end: 0.4 s * 2^15.
    run(device, now + 40_000)
    sent = device.send(CALL, now + 100_000)
    assert sent is not None or now + 100_000 < device.wake_at < NEVER
