"""The stand-in network server under virtual time, with pamoja-lorawan as the device."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pamoja.lorawan as other
import pytest
from chirpstack_api import common, gw, integration
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from ingest.item import Said
from ingest.sources import chirpstack
from khaen import topics
from khaen.clock import ManualClock
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.join import SessionKeys
from simulators.network.core import NetworkCore
from simulators.network.device import Item, Profile
from simulators.network.encoding import as_json, as_protobuf
from simulators.network.output import Downlink, Event
from simulators.network.plan import Network
from simulators.network.registry import MAX_QUEUE

START = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)
EUI = DevEui("a1b2c3d4e5f60708")
ADDRESS = DevAddr("00189440")
GATEWAYS = (GatewayEui("0016c001f153a14c"), GatewayEui("0016c001f153a1ff"))
APP_KEY = bytes(range(1, 17))
JOIN_EUI = "01" * 8
INFO = integration.DeviceInfo(application_id="app", dev_eui=EUI, device_name="wb1")


class Bench:
    """A core, its clock, and an ABP device of another implementation."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.core = NetworkCore(self.clock, seed="test", network=Network(mac_commands=False))
        for gateway in GATEWAYS:
            self.core.add_gateway(gateway)
        self.core.add_abp(INFO, ADDRESS, SessionKeys(nwk_s_key=bytes(16), app_s_key=APP_KEY))
        self.device = other.session(int(ADDRESS, 16), bytes(16), APP_KEY)

    def run(self) -> list[Event | Downlink]:
        """Everything that comes until nothing is due."""
        found: list[Event | Downlink] = []
        while (at := self.core.next_at()) is not None:
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            found += self.core.step()
        return found

    def hear(self, phy: bytes, *gateways: GatewayEui) -> list[Event | Downlink]:
        """Gateways hear a frame, 50 ms one after the other; everything that comes of it."""
        for number, gateway in enumerate(gateways or GATEWAYS[:1]):
            self.clock.advance(0.05 if number else 0.0)
            self.core.take_uplink(heard(phy, gateway, snr=5.0 - number))
        return self.run()

    def ack(self, downlink: gw.DownlinkFrame, *statuses: Any) -> list[Event | Downlink]:
        """The gateway says what became of RX1 (and RX2)."""
        items = [gw.DownlinkTxAckItem(status=status) for status in statuses]
        self.core.take_tx_ack(
            gw.DownlinkTxAck(
                gateway_id=downlink.gateway_id, downlink_id=downlink.downlink_id, items=items
            )
        )
        return self.run()


def heard(phy: bytes, gateway: str, *, snr: float = 5.0) -> gw.UplinkFrame:
    frame = gw.UplinkFrame(phy_payload=phy)
    frame.tx_info.frequency = 923_400_000
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.spreading_factor = 9
    frame.tx_info.modulation.lora.code_rate = gw.CR_4_5
    rx = gw.UplinkRxInfo(gateway_id=gateway, snr=snr, rssi=-90, context=b"\x01\x02\x03\x04")
    rx.metadata["khaen_origin"] = "simulated"
    rx.crc_status = gw.CRC_OK
    frame.rx_info.CopyFrom(rx)
    return frame


def events(found: Iterable[Event | Downlink]) -> list[tuple[str, Any]]:
    return [(one.kind, one.message) for one in found if isinstance(one, Event)]


def downlink(found: Iterable[Event | Downlink]) -> gw.DownlinkFrame:
    (frame,) = [one.frame for one in found if isinstance(one, Downlink)]
    return frame


def test_json_is_chirpstacks_to_the_letter() -> None:
    text = (Path(__file__).parent / "network" / "up.json").read_text().strip()
    event = json_format.Parse(text, integration.UplinkEvent())
    # The decoded object is a map: its order is nobody's.
    assert json.loads(as_json(event)) == json.loads(text)
    event.ClearField("object")
    document = json.loads(text)
    del document["object"]
    assert as_json(event).decode() == json.dumps(document, separators=(",", ":"))


def test_zeros_are_written_of_the_event_and_left_out_of_the_gateway() -> None:
    document = json.loads(as_json(integration.UplinkEvent(rx_info=[gw.UplinkRxInfo()])))
    assert (document["fCnt"], document["confirmed"], document["data"]) == (0, False, "")
    assert document["rxInfo"] == [{}]
    assert "txInfo" not in document


def test_two_gateways_make_one_uplink_that_ingest_reads_in_both_encodings() -> None:
    found = Bench().hear(bytes(Bench().device.encode_uplink(42, 2, b"\x01\x48")), *GATEWAYS)
    (event,) = found
    assert isinstance(event, Event)
    topic = topics.parse(event.topic)
    assert isinstance(topic, topics.ApplicationTopic)
    for payload in (as_json(event.message), as_protobuf(event.message)):
        said = chirpstack.read(topic, event.topic, payload, START)
        assert isinstance(said, Said)
        assert (said.dev_addr, said.f_cnt, said.payload) == (ADDRESS, 42, b"\x01\x48")
        assert {one.gateway_eui for one in said.receptions} == set(GATEWAYS)
        assert said.origin.value == "simulated"


def test_a_copy_that_comes_late_is_lost_and_a_later_one_is_a_retransmission() -> None:
    bench = Bench()
    phy = bytes(bench.device.encode_uplink(0, 2, b"a"))
    found: list[Event | Downlink] = []
    for wait in (0.3, 0.2):
        bench.core.take_uplink(heard(phy, GATEWAYS[0]))
        bench.clock.advance(wait)
        found += bench.core.step()
    assert [kind for kind, _ in events(found)] == ["up"]
    ((kind, log),) = events(bench.hear(phy))
    assert (kind, log.code) == ("log", integration.UPLINK_F_CNT_RETRANSMISSION)


def test_a_gateways_place_is_told_unless_it_tells_its_own() -> None:
    bench = Bench()
    bench.core.add_gateway(GATEWAYS[0], common.Location(latitude=16.4))
    own = heard(bytes(bench.device.encode_uplink(0, 2, b"a")), GATEWAYS[1])
    own.rx_info.location.latitude = 16.5
    bench.core.take_uplink(own)
    ((_, event),) = events(bench.hear(own.phy_payload))
    assert sorted(rx.location.latitude for rx in event.rx_info) == [16.4, 16.5]


@pytest.mark.parametrize("wrong", [{"disabled": True}, {"profile": Profile(region="EU868")}])
def test_a_device_that_is_switched_off_or_of_another_region_is_not_heard(wrong: Any) -> None:
    bench = Bench()
    device = bench.core.registry.device(EUI)
    ((name, value),) = wrong.items()
    setattr(device, name, value)
    assert bench.hear(bytes(bench.device.encode_uplink(0, 2, b"a"))) == []
    device.app_key = APP_KEY
    request = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), APP_KEY).join_request(1)
    assert bench.hear(bytes(request)) == []


def test_two_devices_of_one_address_are_told_apart_by_their_keys() -> None:
    bench = Bench()
    info = integration.DeviceInfo(application_id="app", dev_eui="0" * 16)
    keys = SessionKeys(nwk_s_key=APP_KEY, app_s_key=APP_KEY)
    bench.core.add_abp(info, ADDRESS, keys)
    twin = other.session(int(ADDRESS, 16), APP_KEY, APP_KEY)
    for session, eui in ((bench.device, EUI), (twin, info.dev_eui)):
        ((_, event),) = events(bench.hear(bytes(session.encode_uplink(0, 2, b"a"))))
        assert (event.device_info.dev_eui, event.data) == (eui, b"a")
    bench.core.registry.remove(EUI)
    assert bench.hear(bytes(bench.device.encode_uplink(1, 2, b"a"))) == []
    assert events(bench.hear(bytes(twin.encode_uplink(1, 2, b"a"))))


def test_a_gateway_that_is_not_registered_is_not_heard() -> None:
    bench = Bench()
    assert bench.hear(bytes(bench.device.encode_uplink(0, 2, b"a")), GatewayEui("f" * 16)) == []


def test_what_no_radio_can_have_heard_is_not_kept() -> None:
    bench = Bench()
    phy = bytes(bench.device.encode_uplink(0, 2, b"a"))
    frame = heard(phy, GATEWAYS[0])
    frame.rx_info.metadata["note"] = "x" * 5_000
    bench.core.take_uplink(frame)
    bench.core.take_uplink(heard(phy + bytes(256), GATEWAYS[0]))
    assert bench.core.next_at() is None
    bench.core.take_uplink(heard(phy, GATEWAYS[0]))
    assert bench.core.next_at() is not None


def test_a_queue_has_an_end() -> None:
    bench = Bench()
    for number in range(MAX_QUEUE):
        bench.core.enqueue(EUI, Item(id=str(number), f_port=2, data=b""))
    with pytest.raises(ValueError, match="flush the queue"):
        bench.core.enqueue(EUI, Item(id="one more", f_port=2, data=b""))


def test_a_join_by_another_implementation_and_its_nonce_only_once() -> None:
    bench = Bench()
    bench.core.add_otaa(INFO, join_eui=JOIN_EUI, app_key=APP_KEY)
    joining = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), APP_KEY)
    request = bytes(joining.join_request(771))
    found = bench.hear(request)
    ((kind, event),) = events(found)
    frame = downlink(found)
    assert kind == "join"
    assert [item.tx_info.timing.delay.delay.seconds for item in frame.items] == [5, 6]
    assert frame.items[0].tx_info.frequency == 923_400_000
    assert frame.items[0].tx_info.context == b"\x01\x02\x03\x04"
    assert frame.items[1].tx_info.modulation.lora.spreading_factor == 10
    assert len(event.dev_addr) == 8
    again = events(bench.hear(request))
    assert [(kind, event.code) for kind, event in again] == [("log", integration.OTAA)]


def test_a_confirmed_uplink_is_acknowledged_in_rx1_and_rx2() -> None:
    bench = Bench()
    found = bench.hear(bytes(bench.device.encode_uplink(0, 2, b"", confirmed=True)))
    frame = downlink(found)
    assert [item.tx_info.timing.delay.delay.seconds for item in frame.items] == [1, 2]
    read = bench.device.decode(frame.items[0].phy_payload, 0)
    assert read.ack
    assert [kind for kind, _ in events(found)] == ["up"]


def test_a_forged_join_request_is_told_and_not_answered() -> None:
    bench = Bench()
    bench.core.add_otaa(INFO, join_eui=JOIN_EUI, app_key=APP_KEY)
    request = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), bytes(16)).join_request(1)
    ((kind, event),) = events(bench.hear(bytes(request)))
    assert (kind, event.code) == ("log", integration.UPLINK_MIC)


def test_the_counter_is_strict_and_of_a_wrong_mic_nothing_is_said() -> None:
    bench = Bench()

    def codes(phy: bytes) -> list[int]:
        return [event.code for kind, event in events(bench.hear(phy)) if kind == "log"]

    encode = bench.device.encode_uplink
    assert codes(bytes(encode(0xFFFF, 2, b"a"))) == []
    assert codes(bytes(encode(0x1_0000, 2, b"a"))) == []
    assert codes(bytes(encode(0x1_0000, 2, b"a"))) == [integration.UPLINK_F_CNT_RETRANSMISSION]
    assert codes(bytes(encode(7, 2, b"a"))) == [integration.UPLINK_F_CNT_RESET]
    assert bench.hear(bytes(encode(0x1_0001, 2, b"a"))[:-1] + b"\x00") == []


def test_a_device_whose_counter_is_not_checked_may_begin_anew() -> None:
    bench = Bench()
    bench.core.registry.device(EUI).any_counter = True
    for f_cnt in (9, 0, 1):
        ((kind, event),) = events(bench.hear(bytes(bench.device.encode_uplink(f_cnt, 2, b"a"))))
        assert (kind, event.f_cnt) == ("up", f_cnt)


def test_a_downlink_counts_only_when_the_gateway_sent_it() -> None:
    bench = Bench()
    bench.core.enqueue(EUI, Item(id="q", f_port=7, data=b"\x2a"))
    first = downlink(bench.hear(bytes(bench.device.encode_uplink(0, 2, b"a"))))
    second = downlink(bench.hear(bytes(bench.device.encode_uplink(1, 2, b"a"))))
    assert first.items[0].phy_payload == second.items[0].phy_payload
    ((kind, log),) = events(bench.ack(first, gw.TOO_LATE, gw.TOO_LATE))
    assert (kind, log.code, log.description) == (
        "log",
        integration.DOWNLINK_GATEWAY,
        "TOO_LATE",
    )
    ((kind, event),) = events(bench.ack(second, gw.TOO_LATE, gw.OK))
    assert (kind, event.queue_item_id, event.f_cnt_down) == ("txack", "q", 0)
    assert event.tx_info == second.items[1].tx_info
    assert bench.device.decode(second.items[1].phy_payload, 0).payload == b"\x2a"
    assert events(bench.hear(bytes(bench.device.encode_uplink(2, 2, b"a"))))[0][0] == "up"


def test_a_confirmed_downlink_ends_with_the_next_uplink() -> None:
    for acknowledged in (True, False):
        bench = Bench()
        bench.core.enqueue(EUI, Item(id="q", f_port=7, data=b"\x2a", confirmed=True))
        frame = downlink(bench.hear(bytes(bench.device.encode_uplink(0, 2, b"a"))))
        assert [kind for kind, _ in events(bench.ack(frame, gw.OK))] == ["txack"]
        found = events(bench.hear(bytes(bench.device.encode_uplink(1, 2, b"a", ack=acknowledged))))
        assert [kind for kind, _ in found] == ["up", "ack"]
        assert found[1][1].acknowledged is acknowledged


def test_what_expired_or_does_not_fit_is_dropped_with_a_log() -> None:
    bench = Bench()
    bench.core.enqueue(EUI, Item(id="late", f_port=7, data=b"a", expires_at=START))
    bench.core.enqueue(EUI, Item(id="long", f_port=7, data=bytes(200)))
    found = events(bench.hear(bytes(bench.device.encode_uplink(0, 2, b"a"))))
    assert [(kind, getattr(event, "code", None)) for kind, event in found[1:]] == [
        ("log", integration.EXPIRED),
        ("log", integration.DOWNLINK_PAYLOAD_SIZE),
    ]


@given(phy=st.binary(max_size=300), gateway=st.sampled_from([*GATEWAYS, "", "x"]))
def test_no_bytes_make_it_raise_and_nothing_stays(phy: bytes, gateway: str) -> None:
    bench = Bench()
    bench.core.add_otaa(INFO, join_eui=JOIN_EUI, app_key=APP_KEY)
    bench.core.take_uplink(heard(phy, gateway))
    bench.run()
    assert bench.core.next_at() is None
