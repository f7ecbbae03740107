"""Frames are found in every form, and a record is written again in the form that it had."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from hypothesis import example, given, settings
from hypothesis import strategies as st

from khaen import wire
from khaen.capture import Record, Road
from khaen.clock import Rung
from khaen.ids import DevAddr, DevEui, Epoch, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import seal_join_request
from khaen.uplink import Kind, Number, Origin
from simulators.frames import Frame, frames, gateway, rewrite
from tests.support import chirpstack

AT = datetime(2026, 3, 1, 4, 0, 0, 250_000, tzinfo=UTC)
GATEWAY, OTHER = GatewayEui("024b0bfffe010101"), GatewayEui("024b0bfffe010102")
DEVICE, TWIN = DevEui("a81758fffe000001"), DevEui("a81758fffe000002")
ADDRESS = DevAddr("26011f88")
CIPHER = SessionCipher(dev_addr=ADDRESS, nwk_s_key=bytes(16), app_s_key=bytes(range(16)))
PHY = CIPHER.seal_uplink(f_cnt=7, f_port=2, payload=b"\x01\x02")
ANOTHER = CIPHER.seal_uplink(f_cnt=8, f_port=2, payload=b"\x01\x02\x03")


def rxpk(phy: bytes, **facts: object) -> dict[str, object]:
    """As a forwarder with a receiver writes it, with a key that nobody knows."""
    return {
        "tmst": 3512348611,
        "time": "2026-03-01T04:00:00.250000Z",
        "tmms": 1_456_372_818_250,
        "rssi": -97,
        "lsnr": 5.2,
        "size": len(phy),
        "data": base64.b64encode(phy).decode(),
        "vendor": {"aesk": 0},
        **facts,
    }


def datagram(*entries: object, **more: object) -> Record:
    body = json.dumps({"rxpk": list(entries), **more}).encode()
    head = b"\x02\x34\x12\x00" + bytes.fromhex(GATEWAY)
    return Record(at=AT, road=Road.UDP_UP, payload=head + body)


def uplink_frame(kind: Kind = Kind.LORAWAN, device: str | None = None) -> gw.UplinkFrame:
    frame = gw.UplinkFrame(
        phy_payload=PHY if kind is Kind.LORAWAN else b"\x2a",
        rx_info=gw.UplinkRxInfo(gateway_id=GATEWAY, rssi=-97, snr=5.25, context=b"\1\2\3\4"),
    )
    frame.rx_info.gw_time.FromDatetime(AT)
    stamp = wire.Stamp(
        number=Number(epoch=Epoch("00000000000000aa"), seq=4),
        kind=kind,
        clock=Rung.SYNCED,
        origin=Origin.SIMULATED,
        at=AT,
        device=device,
    )
    wire.stamp(frame, stamp)
    return frame


def message(topic: str, payload: bytes) -> Record:
    return Record(at=AT, road=Road.MQTT, topic=topic, payload=payload)


def event(*gateways: GatewayEui, as_json: bool = True) -> Record:
    made = chirpstack.up(
        dev_eui=DEVICE,
        dev_addr=ADDRESS,
        f_cnt=70_000,
        f_port=2,
        data=b"\x01\x02",
        heard_by=[chirpstack.HeardBy(gateway=each, context=b"\0\0\0\1") for each in gateways],
        at=AT,
    )
    encode = chirpstack.as_json if as_json else chirpstack.as_protobuf
    return message(chirpstack.topic(DEVICE), encode(made))


LIVE = f"as923/gateway/{GATEWAY}/event/up"
ENVELOPE = message(LIVE, uplink_frame().SerializeToString())
ENVELOPE_JSON = message(LIVE, json_format.MessageToJson(uplink_frame()).encode())
ALL = [
    datagram(rxpk(PHY)),
    datagram(rxpk(PHY), rxpk(ANOTHER), stat={"rxnb": 2}),
    ENVELOPE,
    ENVELOPE_JSON,
    message(f"khaen/gateway/{GATEWAY}/backlog", uplink_frame().SerializeToString()),
    event(GATEWAY, OTHER),
    event(GATEWAY, as_json=False),
    event(),
]


def test_a_datagram_shows_what_its_gateway_heard() -> None:
    first, second = frames(datagram(rxpk(PHY), {"data": "%"}, 3, rxpk(ANOTHER, time=9)))

    assert first == Frame(
        gateway_eui=GATEWAY,
        phy=PHY,
        dev_addr=ADDRESS,
        f_cnt=7,
        f_port=2,
        at=AT,
        tmst=3512348611,
        rssi=-97,
        snr=5.2,
    )
    assert (second.phy, second.f_cnt, second.at) == (ANOTHER, 8, None)


@pytest.mark.parametrize("record", [ENVELOPE, ENVELOPE_JSON])
def test_an_envelope_shows_what_its_agent_said(record: Record) -> None:
    (frame,) = frames(record)

    assert frame == Frame(
        gateway_eui=GATEWAY,
        phy=PHY,
        dev_addr=ADDRESS,
        f_cnt=7,
        f_port=2,
        at=AT,
        tmst=0x01020304,
        number=Number(epoch=Epoch("00000000000000aa"), seq=4),
        origin=Origin.SIMULATED,
        rssi=-97,
        snr=5.25,
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_an_event_shows_each_hearing(as_json: bool) -> None:
    first, second = frames(event(GATEWAY, OTHER, as_json=as_json))

    assert (first.gateway_eui, second.gateway_eui) == (GATEWAY, OTHER)
    assert (first.dev_eui, first.dev_addr, first.f_cnt, first.f_port) == (
        DEVICE,
        ADDRESS,
        70_000,
        2,
    )
    assert (first.payload, first.phy, first.network_at) == (b"\x01\x02", None, AT)


def test_an_event_that_names_no_gateway_is_a_frame_all_the_same() -> None:
    (frame,) = frames(event())

    assert (frame.gateway_eui, frame.dev_eui, frame.network_at) == (None, DEVICE, AT)


def test_a_join_request_names_its_device() -> None:
    phy = seal_join_request(bytes(16), join_eui="0" * 16, dev_eui=DEVICE, dev_nonce=9)
    (frame,) = frames(datagram(rxpk(phy)))

    assert (frame.dev_eui, frame.dev_addr) == (DEVICE, None)


def test_a_heartbeat_is_a_frame_without_bytes_of_the_radio() -> None:
    record = message(
        f"khaen/gateway/{GATEWAY}/live", uplink_frame(Kind.HEARTBEAT).SerializeToString()
    )

    assert [(f.gateway_eui, f.phy, f.dev_eui) for f in frames(record)] == [(GATEWAY, None, None)]


def test_a_point_to_point_frame_goes_to_another_device() -> None:
    record = message(
        f"khaen/gateway/{GATEWAY}/live", uplink_frame(Kind.P2P, DEVICE).SerializeToString()
    )
    changed = rewrite(record, lambda frame: replace(frame, dev_eui=TWIN))

    assert [(f.phy, f.dev_eui) for f in frames(record)] == [(b"\x2a", DEVICE)]
    assert changed is not None
    assert [(f.phy, f.dev_eui) for f in frames(changed)] == [(b"\x2a", TWIN)]


@pytest.mark.parametrize(
    "record",
    [
        message(f"khaen/gateway/{GATEWAY}/status", b"{}"),
        message(f"as923/gateway/{GATEWAY}/event/stats", b""),
        message("khaen/priority", b"{}"),
        message(chirpstack.topic(DEVICE, "join"), b"{}"),
        Record(at=AT, road=Road.UDP_UP, payload=b"\x02\0\0\x02" + bytes.fromhex(GATEWAY)),
        Record(at=AT, road=Road.UDP_DOWN, payload=datagram(rxpk(PHY)).payload),
    ],
)
def test_what_is_no_frame_passes_as_it_is(record: Record) -> None:
    assert frames(record) == ()
    assert rewrite(record, lambda _: None) is record


@pytest.mark.parametrize("record", ALL)
def test_nothing_changed_is_the_same_record(record: Record) -> None:
    assert rewrite(record, replace) is record


@pytest.mark.parametrize("record", ALL)
def test_every_frame_dropped_is_no_record(record: Record) -> None:
    assert rewrite(record, lambda _: None) is None


@pytest.mark.parametrize("record", ALL)
def test_what_is_written_is_read_again(record: Record) -> None:
    def move(frame: Frame) -> Frame:
        assert frame.gateway_eui is None or frame.rssi is not None
        return replace(
            frame,
            gateway_eui=frame.gateway_eui and OTHER,
            at=frame.at and frame.at + timedelta(days=3, microseconds=17),
            tmst=frame.tmst and 77,
            number=frame.number and Number(epoch=Epoch("00000000000000bb"), seq=1),
            network_at=frame.network_at and frame.network_at + timedelta(days=3),
            origin=frame.origin and Origin.REPLAY,
            rssi=frame.rssi and -111,
            snr=frame.snr and -4.5,
        )

    changed = rewrite(record, move)

    assert changed is not None
    assert frames(changed) == tuple(move(frame) for frame in frames(record))
    assert gateway(changed) == (gateway(record) and OTHER)


def test_a_datagram_keeps_what_nobody_asked_to_change() -> None:
    record = datagram(rxpk(PHY), {"odd": 1}, rxpk(ANOTHER), stat={"rxnb": 2})
    changed = rewrite(
        record,
        lambda f: None if f.f_cnt == 7 else replace(f, phy=PHY, at=AT + timedelta(seconds=90)),
    )

    assert changed is not None
    assert changed.payload[:12] == record.payload[:12]
    assert json.loads(changed.payload[12:]) == {
        "rxpk": [
            {"odd": 1},
            rxpk(PHY, time="2026-03-01T04:01:30.250000Z", tmms=1_456_372_908_250),
        ],
        "stat": {"rxnb": 2},
    }


@pytest.mark.parametrize("record", [ENVELOPE, ENVELOPE_JSON])
def test_an_envelope_of_another_gateway_is_taken_by_ingest(record: Record) -> None:
    later = AT + timedelta(seconds=5)
    changed = rewrite(
        record, lambda f: replace(f, gateway_eui=OTHER, at=later, origin=Origin.REPLAY)
    )

    assert changed is not None
    assert changed.topic == f"as923/gateway/{OTHER}/event/up"
    heard = wire.parse(OTHER, changed.payload)
    assert (heard.at, heard.origin, heard.payload) == (later, Origin.REPLAY, PHY)
    assert heard.number == Number(epoch=Epoch("00000000000000aa"), seq=4)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_event_goes_to_another_device_with_fewer_hearings(as_json: bool) -> None:
    changed = rewrite(
        event(GATEWAY, OTHER, as_json=as_json),
        lambda f: (
            None
            if f.gateway_eui == GATEWAY
            else replace(f, dev_eui=TWIN, dev_addr=DevAddr("26011f89"), f_cnt=3, payload=b"\x09")
        ),
    )

    assert changed is not None
    assert changed.topic == chirpstack.topic(TWIN)
    (frame,) = frames(changed)
    assert (frame.dev_eui, frame.dev_addr, frame.f_cnt, frame.payload, frame.gateway_eui) == (
        TWIN,
        "26011f89",
        3,
        b"\x09",
        OTHER,
    )


def test_an_event_keeps_keys_that_protobuf_does_not_know_and_its_own_spelling() -> None:
    document = json.loads(event(GATEWAY).payload)
    document["dev_addr"] = document.pop("devAddr")
    document["hint"] = {"ปี": 2569}
    record = message(chirpstack.topic(DEVICE), json.dumps(document).encode())
    changed = rewrite(record, lambda f: replace(f, dev_addr=DevAddr("00000001")))

    assert changed is not None
    assert json.loads(changed.payload) == {**document, "dev_addr": "00000001"}


TOPICS = st.sampled_from(
    [LIVE, f"khaen/gateway/{GATEWAY}/backlog", chirpstack.topic(DEVICE), "x", "", "a/gateway/b/c"]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["rxpk", "data", "time", "tmms", "rxInfo", "gwTime", "snr", "fCnt", "x"]
                ),
                inner,
                max_size=5,
            )
        ),
    ).map(lambda document: json.dumps(document).encode()),
)


@given(topic=TOPICS, body=BODIES, udp=st.booleans())
@example(topic=LIVE, body=b'{"a":' * 100_000, udp=False)
@example(topic=LIVE, body=b'{"rxpk":' + b"[" * 100_000, udp=True)
@example(topic=LIVE, body=b'{"rxInfo":""}', udp=False)
@example(topic=LIVE, body=b'{"rxInfo":{"metadata":""}}', udp=False)
@example(topic=LIVE, body=b'{"rxInfo":{"gwTime":"9999-12-31T23:59:59Z"}}', udp=False)
@example(topic=LIVE, body=b'{"rxInfo":{"timeSinceGpsEpoch":"315576000000s"}}', udp=False)
def test_any_bytes_pass(topic: str, body: bytes, udp: bool) -> None:
    head = b"\x02\x34\x12\x00" + bytes.fromhex(GATEWAY)
    record = Record(at=AT, road=Road.UDP_UP, payload=head + body) if udp else message(topic, body)
    found = frames(record)
    changed = rewrite(record, lambda f: replace(f, gateway_eui=OTHER, at=AT, dev_eui=TWIN))

    assert (changed is record) == (found == ())


@settings(max_examples=300)
@given(
    record=st.sampled_from(ALL),
    spots=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 3000),
)
def test_broken_records_pass(record: Record, spots: list[tuple[int, int]], cut: int) -> None:
    payload = bytearray(record.payload)
    for spot, value in spots:
        payload[spot % len(payload)] = value
    broken = replace(record, payload=bytes(payload[:cut]))
    found = frames(broken)
    changed = rewrite(
        broken,
        lambda f: replace(
            f,
            gateway_eui=OTHER,
            dev_eui=TWIN,
            at=f.at and AT,
            network_at=f.network_at and AT,
            tmst=f.tmst and 1,
            origin=Origin.REPLAY,
        ),
    )

    assert changed is not None
    assert len(frames(changed)) == len(found)


def test_what_nobody_asked_to_mend_stays_wrong() -> None:
    document = json.loads(event(GATEWAY).payload)
    document["deviceInfo"]["devEui"] = "somebody else"
    topic = chirpstack.topic(DEVICE.upper())
    changed = rewrite(message(topic, json.dumps(document).encode()), lambda f: replace(f, f_cnt=1))

    assert changed is not None
    assert changed.topic == topic
    assert json.loads(changed.payload) == {**document, "fCnt": 1}
