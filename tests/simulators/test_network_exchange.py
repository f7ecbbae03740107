"""What the stand-in takes and says by MQTT, in both encodings, without a broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from chirpstack_api import gw, integration
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from khaen.clock import ManualClock
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from simulators.network.core import NetworkCore
from simulators.network.encoding import as_json
from simulators.network.exchange import Exchange
from simulators.network.plan import Network

START = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)
EUI = DevEui("a1b2c3d4e5f60708")
APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
GATEWAY = GatewayEui("0016c001f153a14c")
KEYS = SessionKeys(nwk_s_key=bytes(16), app_s_key=bytes(range(16)))
ADDRESS = DevAddr("00189440")
UP = f"as923/gateway/{GATEWAY}/event/up"
DOWN = f"application/{APPLICATION}/device/{EUI}/command/down"


class Bench:
    """An exchange on a core under virtual time."""

    def __init__(self, *, json: bool = True) -> None:
        self.clock = ManualClock(START)
        self.core = NetworkCore(self.clock, seed="test", network=Network(mac_commands=False))
        self.core.add_gateway(GATEWAY)
        info = integration.DeviceInfo(application_id=APPLICATION, dev_eui=EUI)
        self.core.add_abp(info, ADDRESS, KEYS)
        self.exchange = Exchange(self.core, json=json)

    def run(self) -> list[tuple[str, bytes]]:
        out: list[tuple[str, bytes]] = []
        while (at := self.core.next_at()) is not None:
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            out += self.exchange.render(self.core.step())
        return out

    def queue(self) -> list[tuple[int, bytes, bool]]:
        queue = self.core.registry.device(EUI).queue
        return [(item.f_port, item.data, item.confirmed) for item in queue]


def uplink(f_cnt: int = 0, *, confirmed: bool = False) -> gw.UplinkFrame:
    cipher = SessionCipher(dev_addr=ADDRESS, nwk_s_key=KEYS.nwk_s_key, app_s_key=KEYS.app_s_key)
    phy = cipher.seal_uplink(f_cnt=f_cnt, f_port=2, payload=b"\x01", confirmed=confirmed)
    frame = gw.UplinkFrame(phy_payload=phy)
    frame.tx_info.frequency = 923_200_000
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.spreading_factor = 9
    frame.tx_info.modulation.lora.code_rate = gw.CR_4_5
    frame.rx_info.gateway_id = GATEWAY
    frame.rx_info.context = b"\x00\x00\x00\x01"
    return frame


@pytest.mark.parametrize("json_", [True, False])
def test_a_gateway_is_answered_in_the_encoding_it_speaks(json_: bool) -> None:
    bench = Bench()
    frame = uplink(confirmed=True)
    assert bench.exchange.take(UP, as_json(frame) if json_ else frame.SerializeToString())
    events = dict(bench.run())
    payload = events[f"as923/gateway/{GATEWAY}/command/down"]
    if json_:
        down = json_format.Parse(payload, gw.DownlinkFrame())
    else:
        down = gw.DownlinkFrame.FromString(payload)
    assert [item.tx_info.timing.delay.delay.seconds for item in down.items] == [1, 2]
    assert f"application/{APPLICATION}/device/{EUI}/event/up" in events


@pytest.mark.parametrize("json_", [True, False])
def test_an_application_is_told_and_heard_in_the_encoding_that_is_set(json_: bool) -> None:
    bench = Bench(json=json_)
    command = integration.DownlinkCommand(dev_eui=EUI, f_port=7, data=b"\x2a", confirmed=True)
    assert bench.exchange.take(DOWN, as_json(command) if json_ else command.SerializeToString())
    assert bench.queue() == [(7, b"\x2a", True)]
    bench.exchange.take(UP, uplink().SerializeToString())
    payload = dict(bench.run())[f"application/{APPLICATION}/device/{EUI}/event/up"]
    if json_:
        assert json.loads(payload)["devAddr"] == ADDRESS
    else:
        assert integration.UplinkEvent.FromString(payload).dev_addr == ADDRESS


@pytest.mark.parametrize(
    "command",
    [
        {"devEui": EUI.upper(), "fPort": 7, "data": "Kg=="},
        {"devEui": "0" * 16, "fPort": 7, "data": "Kg=="},
        {"devEui": EUI, "fPort": 0, "data": "Kg=="},
        {"devEui": EUI, "fPort": 256, "data": "Kg=="},
        {"devEui": EUI, "fPort": 7, "data": "Kg==", "id": "nonsense"},
        {"devEui": EUI, "fPort": 7, "object": {"light": 1}},
        {"devEui": EUI, "fPort": "x"},
        [],
    ],
)
def test_a_command_that_chirpstack_refuses_is_only_logged(command: object) -> None:
    bench = Bench()
    assert not bench.exchange.take(DOWN, json.dumps(command).encode())
    assert bench.queue() == []


def test_a_command_under_another_application_is_refused() -> None:
    bench = Bench()
    command = json.dumps({"devEui": EUI, "fPort": 7, "data": "Kg=="}).encode()
    assert not bench.exchange.take(DOWN.replace(APPLICATION, "other"), command)
    assert not bench.exchange.take(DOWN.replace("/down", "/up"), command)
    assert bench.exchange.take(DOWN, command)


def test_a_command_keeps_its_id_expires_and_is_refused_twice() -> None:
    bench = Bench()
    name = "4f38aef3-17c8-4e96-be03-f83d48582d97"
    command = json.dumps(
        {"devEui": EUI, "fPort": 7, "data": "Kg==", "id": name, "expiresAt": "2026-07-23T01:00:00Z"}
    ).encode()
    assert bench.exchange.take(DOWN, command)
    assert not bench.exchange.take(DOWN, command)
    bench.exchange.take(UP, uplink().SerializeToString())
    log = json.loads(dict(bench.run())[f"application/{APPLICATION}/device/{EUI}/event/log"])
    assert (log["code"], log["context"]) == ("EXPIRED", {"queue_item_id": name})


def test_statistics_show_that_a_gateway_lives_and_where() -> None:
    bench = Bench()
    stats = gw.GatewayStats(gateway_id=GATEWAY)
    stats.location.latitude = 16.4
    bench.exchange.take(f"as923/gateway/{GATEWAY}/event/stats", stats.SerializeToString())
    gateway = bench.core.registry.gateways[GATEWAY]
    assert (gateway.seen_at, gateway.location.latitude) == (START, 16.4)


TOPICS = st.sampled_from(
    [UP, UP.replace("/up", "/stats"), UP.replace("/up", "/ack"), UP.replace("/up", "/mesh"), DOWN]
)
PAYLOADS = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda data: b'{"gatewayId":' + data),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["rxInfo", "txInfo", "gatewayId", "devEui", "data", "object", "gwTime"]
                ),
                inner,
                max_size=4,
            )
        ),
    ).map(lambda value: json.dumps({"gatewayId": value, "devEui": value}).encode()),
)


@given(topic=TOPICS | st.text(max_size=40), payload=PAYLOADS, json_=st.booleans())
def test_no_bytes_on_any_topic_make_it_raise(topic: str, payload: bytes, json_: bool) -> None:
    bench = Bench(json=json_)
    assert bench.exchange.take(topic, payload) in (True, False)
    bench.run()


TIMES = st.integers(-(2**62), 2**62)
NANOS = st.integers(-(2**31), 2**31 - 1)


@given(seconds=TIMES, nanos=NANOS, gps=TIMES, fine=TIMES, snr=st.floats(width=32), data=st.data())
def test_no_metadata_of_a_gateway_make_it_raise(
    seconds: int, nanos: int, gps: int, fine: int, snr: float, data: st.DataObject
) -> None:
    bench = Bench()
    frame = uplink()
    rx = frame.rx_info
    rx.gw_time.seconds, rx.gw_time.nanos, rx.snr = seconds, nanos, snr
    if data.draw(st.booleans()):
        rx.time_since_gps_epoch.seconds, rx.time_since_gps_epoch.nanos = gps, nanos
    rx.fine_time_since_gps_epoch.seconds = fine
    rx.location.latitude = snr
    bench.exchange.take(UP, frame.SerializeToString())
    bench.run()
