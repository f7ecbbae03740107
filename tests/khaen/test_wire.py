"""The envelope: what is stamped is parsed; whatever else comes is a WireError, never more."""

from datetime import UTC, datetime

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from khaen import wire
from khaen.clock import Rung
from khaen.errors import WireError
from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Kind, Number, Origin, Way

GATEWAY = GatewayEui("0016c001f153a14c")
EPOCH = Epoch("00000000000000e1")
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def make_frame(phy: bytes = b"\x40\x01") -> gw.UplinkFrame:
    frame = gw.UplinkFrame(phy_payload=phy)
    frame.rx_info.gateway_id = GATEWAY
    frame.rx_info.rssi, frame.rx_info.snr = -57, 9.5
    frame.rx_info.context = b"\x13\x73\x96\x39"
    frame.tx_info.frequency = 923_200_000
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.spreading_factor = 7
    return frame


STAMPS = st.builds(
    wire.Stamp,
    number=st.builds(Number, epoch=st.just(EPOCH), seq=st.integers(1, wire.MAX_SEQ)),
    kind=st.sampled_from(Kind),
    clock=st.sampled_from([rung for rung in Rung if rung is not Rung.ARRIVAL]),
    origin=st.sampled_from(Origin),
    at=TIMES,
    until=st.none() | TIMES,
    device=st.none() | st.text(min_size=1, max_size=20),
    topic=st.none() | st.text(min_size=1, max_size=20),
)


@given(STAMPS, st.binary(max_size=255))
def test_what_is_stamped_is_parsed(stamp: wire.Stamp, phy: bytes) -> None:
    heard = wire.parse(GATEWAY, wire.stamp(make_frame(phy), stamp))
    assert (heard.payload, heard.gateway_eui) == (phy, GATEWAY)
    assert (heard.rssi, heard.snr, heard.frequency) == (-57, 9.5, 923_200_000)
    assert heard.dr == "SF7BW125"
    for name in ("number", "kind", "clock", "origin", "at", "until", "device", "topic"):
        assert getattr(heard, name) == getattr(stamp, name)


def test_a_time_is_absent_on_the_rung_arrival() -> None:
    stamp = wire.Stamp(
        number=Number(epoch=EPOCH, seq=1),
        kind=Kind.LORAWAN,
        clock=Rung.ARRIVAL,
        origin=Origin.RADIO,
    )
    heard = wire.parse(GATEWAY, wire.stamp(make_frame(), stamp))
    assert (heard.at, heard.clock) == (None, Rung.ARRIVAL)


def test_nothing_in_an_envelope_looks_like_json_to_chirpstack() -> None:
    stamp = wire.Stamp(
        number=Number(epoch=EPOCH, seq=1), kind=Kind.LORAWAN, clock=Rung.GPS, origin=Origin.RADIO,
        at=datetime(2026, 1, 1, tzinfo=UTC), device="d", topic="t",
    )  # fmt: skip
    assert b"gatewayId" not in wire.stamp(make_frame(), stamp)


@pytest.mark.parametrize("size", range(1, 256))
def test_no_length_and_no_byte_of_a_frame_makes_it_json(size: int) -> None:
    frame = make_frame(b"{" * size)
    assert wire.parse(GATEWAY, frame.SerializeToString()).payload == b"{" * size


def test_another_make_of_gateway_is_taken_in_both_encodings() -> None:
    frame = make_frame()
    frame.rx_info.gw_time.FromDatetime(datetime(2026, 7, 23, 1, 2, 3))  # noqa: DTZ001 - protobuf
    for payload in (frame.SerializeToString(), json_format.MessageToJson(frame).encode()):
        heard = wire.parse(GATEWAY, payload)
        assert (heard.number, heard.kind) == (None, Kind.LORAWAN)
        assert heard.at == datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)


def stamped(**metadata: str) -> bytes:
    frame = make_frame()
    facts = {
        "khaen_v": "1", "khaen_epoch": EPOCH, "khaen_seq": "7", "khaen_kind": "lorawan",
        "khaen_clock": "synced", "khaen_origin": "radio", "khaen_at": "2026-01-01T00:00:00.000000Z",
    } | {f"khaen_{key}": value for key, value in metadata.items()}  # fmt: skip
    for key, value in facts.items():
        frame.rx_info.metadata[key] = value
    return bytes(frame.SerializeToString())


@pytest.mark.parametrize(
    ("payload", "reason", "numbered"),
    [
        (b'{"gatewayId": ', "not_json", False),
        (b'{"rxInfo": {"gatewayId": "\xff\xfe"}}', "not_json", False),
        (b'{"rxInfo": ' * 100_000, "not_json", False),
        (b'{"rxInfo": 7}', "not_json", False),
        (b"\xff\xff\xff", "not_protobuf", False),
        (b"", "gateway_mismatch", False),
        (b'{"rxInfo": {"gatewayId": "0016c001f153a1ff"}}', "gateway_mismatch", False),
        (stamped(v="2"), "newer_version", True),
        (stamped(v="x"), "bad_envelope", True),
        (stamped(seq="0"), "bad_envelope", False),
        (stamped(seq=str(2**63)), "bad_envelope", False),
        (stamped(epoch="e1"), "bad_envelope", False),
        (stamped(kind="hologram"), "bad_envelope", True),
        (stamped(at="yesterday"), "bad_envelope", True),
        (stamped(clock="sundial"), "bad_envelope", True),
    ],
)
def test_bad_input_has_a_reason_and_keeps_its_number(
    payload: bytes, reason: str, numbered: bool
) -> None:
    with pytest.raises(WireError) as caught:
        wire.parse(GATEWAY, payload)
    assert caught.value.reason == reason
    assert isinstance(caught.value, wire.NumberedWireError) is numbered
    if isinstance(caught.value, wire.NumberedWireError):
        assert caught.value.number == Number(epoch=EPOCH, seq=7)


def take(payload: bytes) -> str:
    """Whose frame it is, or why it is refused; anything else than WireError fails the test."""
    try:
        return wire.parse(GATEWAY, payload).gateway_eui
    except WireError as error:
        return error.reason


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_parsed_or_refused(garbage: bytes, json: bool) -> None:
    payload = b"{" + garbage if json else garbage
    assert take(payload)


@given(st.data())
def test_a_damaged_envelope_is_parsed_or_refused(data: st.DataObject) -> None:
    whole = bytearray(stamped())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    assert take(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


def test_a_device_cannot_hide_its_frame_by_what_it_sends() -> None:
    for phy in (b"gatewayId", b'{"gatewayId":"x"}'):
        assert wire.parse(GATEWAY, bytes(make_frame(phy).SerializeToString())).payload == phy


def test_a_reception_keeps_what_was_heard_and_when_it_was_decided() -> None:
    heard = wire.parse(GATEWAY, stamped(clock="between", until="2026-01-01T00:00:09.000000Z"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    span = heard.reception(Way.BACKLOG, at, Rung.BETWEEN)
    assert (span.received_at, span.received_until) == (at, at.replace(second=9))
    moment = heard.reception(Way.LIVE, at, Rung.ARRIVAL)
    assert (moment.received_until, moment.number) == (None, Number(epoch=EPOCH, seq=7))
