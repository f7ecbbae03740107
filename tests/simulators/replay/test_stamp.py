"""What a replay sends, as ingest reads it: its origin, its number, its dates, its road."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.item import Said
from ingest.sources import chirpstack
from khaen import topics, wire
from khaen.capture import Record, Road
from khaen.clock import Rung
from khaen.ids import GatewayEui
from khaen.topics import ApplicationTopic, GatewayTopic
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Heard
from simulators.replay.skip import Skip
from simulators.replay.stamp import Stamper
from store.hearing import NOWHERE
from tests.simulators.replay.traffic import EPOCH, GATEWAY, after, envelope, event, told
from tests.support.forwarder import rxpk
from tests.support.site import Band

NOW = after(7 * 86_400)
BAND = Band(1)
PHY = BAND.telemetry()


def keep(at: datetime) -> datetime:
    return at


def as_new(record: Record) -> Callable[[datetime], datetime]:
    return lambda at: NOW - (record.at - at)


def heard(record: Record, *, moved: Callable[[datetime], datetime] = keep) -> tuple[str, Heard]:
    (sent,) = Stamper("run").stamp(record, moved, NOW)
    topic = topics.parse(sent.topic)
    assert isinstance(topic, GatewayTopic)
    return sent.topic, wire.parse(topic.gateway, sent.payload)


def test_a_frame_keeps_its_date_on_the_backlog() -> None:
    topic, found = heard(envelope(PHY, 120))
    assert topic == f"khaen/gateway/{GATEWAY}/backlog"
    assert (found.origin, found.kind, found.payload) == (Origin.REPLAY, Kind.LORAWAN, PHY)
    assert (found.at, found.clock) == (after(0), Rung.SYNCED)
    assert found.number is not None
    assert found.number.seq == 1
    assert found.number.epoch != EPOCH
    assert (found.rssi, found.snr, found.dr) == (-97, 5.25, "SF9BW125")


def test_a_frame_as_new_goes_live_and_a_late_one_late() -> None:
    record = envelope(PHY, 120)
    topic, found = heard(record, moved=as_new(record))
    assert topic == f"as923/gateway/{GATEWAY}/event/up"
    assert found.at == NOW - timedelta(seconds=0.1)
    late = envelope(PHY, 120, heard=0, taken=3600, backlog=True)
    topic, found = heard(late, moved=as_new(late))
    assert topic == f"khaen/gateway/{GATEWAY}/backlog"
    assert found.at == NOW - timedelta(hours=1)
    sent_again = envelope(PHY, 120, backlog=True)
    assert heard(sent_again, moved=as_new(sent_again))[0].endswith("/backlog")
    other = envelope(b"\1\2", 1, kind=Kind.P2P, device=BAND.dev_eui)
    topic, found = heard(other, moved=as_new(other))
    assert topic == f"khaen/gateway/{GATEWAY}/live"
    assert (found.kind, found.device) == (Kind.P2P, BAND.dev_eui)


@pytest.mark.parametrize(
    ("record", "clock", "at"),
    [
        (envelope(PHY, None, heard=5), Rung.SYNCED, 5.0),
        (envelope(PHY, 3, clock=Rung.ARRIVAL, heard=5), Rung.NETWORK, 5.1),
        (envelope(PHY, 3, clock=Rung.BETWEEN, heard=5), Rung.BETWEEN, 5.0),
        (envelope(PHY, 3, clock=Rung.BOOT, heard=5), Rung.BOOT, 5.0),
    ],
)
def test_every_frame_is_numbered_and_dated_as_well_as_it_was(
    record: Record, clock: Rung, at: float
) -> None:
    _, found = heard(record)
    assert (found.clock, found.at, found.origin) == (clock, after(at), Origin.REPLAY)
    assert found.number is not None


def push(*entries: dict[str, object], taken: float = 2.0) -> Record:
    head = b"\x02\x07\x00\x00" + bytes.fromhex(GATEWAY)
    body = json.dumps({"rxpk": entries, "stat": {"lati": 16.4}}).encode()
    return Record(at=after(taken), road=Road.UDP_UP, payload=head + body)


def test_a_datagram_becomes_a_message_for_each_good_frame() -> None:
    bad = {**rxpk(PHY), "stat": -1}
    meta = {"khaen_origin": "radio", "khaen_kind": "heartbeat"}
    dated = {**rxpk(PHY), "time": "2026-03-01T08:00:01Z", "meta": meta}
    sent = Stamper("run", region="as923-2").stamp(push(rxpk(PHY), bad, dated), keep, NOW)
    found = [wire.parse(GATEWAY, message.payload) for message in sent]
    assert [(f.at, f.clock, f.origin, f.payload) for f in found] == [
        (after(2), Rung.NETWORK, Origin.REPLAY, PHY),
        (after(1), Rung.GPS, Origin.REPLAY, PHY),
    ]
    fresh = push(rxpk(PHY))
    (live,) = Stamper("run", region="as923-2").stamp(fresh, as_new(fresh), NOW)
    assert live.topic == f"as923-2/gateway/{GATEWAY}/event/up"


@pytest.mark.parametrize("as_json", [True, False])
def test_an_event_says_that_it_is_a_replay(as_json: bool) -> None:
    stamper = Stamper("run")
    (frame,) = stamper.stamp(envelope(PHY, 1), keep, NOW)
    number = wire.parse(GATEWAY, frame.payload).number
    record = told(BAND, event(BAND, 3, b"\x1a\x57"), as_json=as_json)
    said = read(stamper, record)
    assert said.origin is Origin.REPLAY
    assert said.receptions[0].received_at == after(0)
    assert said.receptions[0].number == number  # one reception, by both ways
    other = event(BAND, 3, b"\x1a\x57")
    other.rx_info[0].metadata["khaen_seq"] = "99"
    said = read(stamper, told(BAND, other, as_json=as_json))
    assert said.receptions[0].number is None  # never sent by us: no claim
    del other.rx_info[:]
    said = read(stamper, told(BAND, other, as_json=as_json))
    assert (said.origin, said.receptions[0].gateway_eui) == (Origin.REPLAY, NOWHERE)
    assert said.receptions[0].received_at == after(0)
    said = read(stamper, record, moved=as_new(record))
    assert said.receptions[0].received_at == NOW - timedelta(seconds=0.1)


def read(stamper: Stamper, record: Record, moved: Callable[[datetime], datetime] = keep) -> Said:
    (sent,) = stamper.stamp(record, moved, NOW)
    topic = topics.parse(sent.topic)
    assert isinstance(topic, ApplicationTopic)
    found = chirpstack.read(topic, sent.topic, sent.payload, NOW)
    assert isinstance(found, Said)
    return found


def test_an_event_within_an_envelope_is_stamped_inside() -> None:
    inner = told(BAND, event(BAND, 3, b"\x1a\x57"), as_json=False)
    record = envelope(inner.payload, 9, kind=Kind.APPLICATION, topic=inner.topic)
    _, found = heard(record)
    topic = topics.parse(found.topic or "")
    assert isinstance(topic, ApplicationTopic)
    said = chirpstack.read(topic, found.topic or "", found.payload, NOW)
    assert isinstance(said, Said)
    assert said.origin is found.origin is Origin.REPLAY


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (envelope(b"", 1, kind=Kind.HEARTBEAT), "heartbeat"),
        (envelope(b"{}", 1, kind=Kind.GONE), "gone"),
        (replace(envelope(PHY, 1), topic=f"khaen/gateway/{GATEWAY}/receipt"), "no_frames"),
        (replace(envelope(PHY, 1), topic=f"as923/gateway/{GATEWAY}/event/stats"), "no_frames"),
        (replace(envelope(PHY, 1), topic="khaen/priority"), "unreadable"),
        (replace(envelope(PHY, 1), payload=b"{"), "unreadable"),
        (replace(envelope(PHY, 1), payload=b"\xff\xff"), "unreadable"),
        (replace(envelope(PHY, 1), road=Road.UDP_DOWN), "no_frames"),
        (push(), "no_frames"),
        (replace(push(), payload=b"\x02\x07\x00\x02" + bytes(8)), "no_frames"),
        (
            replace(
                told(BAND, event(BAND, 1, b""), as_json=True),
                topic=f"application/a/device/{BAND.dev_eui}/event/join",
            ),
            "other_event",
        ),
    ],
)
def test_what_is_no_traffic_is_left_out(record: Record, reason: str) -> None:
    with pytest.raises(Skip) as left:
        Stamper("run").stamp(record, keep, NOW)
    assert left.value.reason == reason


@given(
    topic=st.sampled_from(
        [
            f"as923/gateway/{GATEWAY}/event/up",
            f"khaen/gateway/{GATEWAY}/backlog",
            f"application/a/device/{BAND.dev_eui}/event/up",
            "",
        ]
    ),
    payload=st.binary(max_size=80) | st.binary(max_size=40).map(lambda rest: b'{"rxInfo":' + rest),
    road=st.sampled_from(Road),
)
def test_any_bytes_are_a_message_or_left_out(topic: str, payload: bytes, road: Road) -> None:
    record = Record(at=after(0), road=road, topic=topic, payload=payload)
    try:
        sent = Stamper("run").stamp(record, keep, NOW)
    except Skip:
        return
    assert all(b"replay" in message.payload for message in sent)


def test_a_number_is_a_gateways_own() -> None:
    stamper, other = Stamper("run"), GatewayEui("ac1f09fffe0a0b02")
    sent = [
        stamper.stamp(envelope(PHY, 5, gateway=gateway), keep, NOW)[0]
        for gateway in (GATEWAY, other)
    ]
    first, second = (
        wire.parse(gateway, message.payload).number
        for gateway, message in zip((GATEWAY, other), sent, strict=True)
    )
    assert isinstance(first, Number)
    assert isinstance(second, Number)
    assert first.epoch != second.epoch
