"""Other identities: frames of others that their keys open, and nothing left of those recorded."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from chirpstack_api import gw, integration

from khaen.capture import Record, Road
from khaen.errors import SettingsError
from khaen.ids import GatewayEui
from khaen.lorawan.join import seal_join_request
from khaen.site.loader import Loaded
from khaen.uplink import Kind
from simulators.frames import frames
from simulators.replay.identities import Anonymous, Mapped, read_map
from simulators.replay.keyring import Keyring
from simulators.replay.remap import Remap
from simulators.replay.skip import Skip
from tests.simulators.replay.traffic import EPOCH, GATEWAY, after, envelope, event, told
from tests.support.forwarder import rxpk
from tests.support.site import Band, describe

OTHER_GATEWAY = GatewayEui("0a00000000000001")
NAMES = (b"Somsri", b"Nong Kham", b"room", b"button_status", b"AS923")


def loaded(bands: Iterable[Band]) -> Loaded:
    bands = list(bands)
    site = describe(bands, {GATEWAY: 0}, keys_file=Path("keys.csv"), simulated=True)
    return Loaded(site=site, keys={band.dev_eui: band.keys for band in bands}, warnings=())


def keyring(*bands: Band, placed: bool = True) -> Keyring:
    site = loaded(bands)
    return Keyring(site.keys, site.site.devices if placed else ())


def push(band: Band, phy: bytes) -> Record:
    entry = {**rxpk(phy), "meta": {"site": "Nong Kham"}, "desc": "room twelve"}
    head = b"\x02\x07\x00\x00" + bytes.fromhex(GATEWAY)
    body = json.dumps({"rxpk": [entry], "stat": {"lati": 16.4, "desc": "Nong Kham"}}).encode()
    return Record(at=after(0), road=Road.UDP_UP, payload=head + body)


@pytest.mark.parametrize("placed", [True, False])
def test_a_mapped_frame_is_the_others_to_the_counter(placed: bool) -> None:
    band, other, bystander = Band(1), Band(2), Band(3)
    band.f_cnt = 0x1_0005  # the air carries the low half only
    remap = Remap(
        Mapped({band.dev_eui: other.dev_eui, GATEWAY: OTHER_GATEWAY}, loaded([other])),
        keyring(band, placed=placed),
    )
    for make in (band.telemetry, band.sos):
        phy = make()
        record = remap(envelope(phy, 1))
        (frame,) = frames(record)
        assert frame.gateway_eui == OTHER_GATEWAY
        assert record.topic == f"as923/gateway/{OTHER_GATEWAY}/event/up"
        assert frame.phy is not None
        opened = keyring(other).open(frame.phy)
        recorded = keyring(band).open(phy)
        assert opened is not None
        assert recorded is not None
        assert (opened.dev_eui, opened.f_cnt) == (other.dev_eui, band.f_cnt - 1)
        assert opened.payload == recorded.payload
        assert opened.frame.confirmed == recorded.frame.confirmed
    phy = bystander.telemetry()
    assert frames(remap(envelope(phy, 1)))[0].phy == phy


@pytest.mark.parametrize("as_json", [True, False])
def test_a_mapped_event_is_the_others(as_json: bool) -> None:
    band, other = Band(1), Band(2)
    remap = Remap(Mapped({band.dev_eui: other.dev_eui}, loaded([other])), keyring(band))
    record = remap(told(band, event(band, 7, b"\x1a"), as_json=as_json))
    (frame,) = frames(record)
    assert (frame.dev_eui, frame.dev_addr, frame.f_cnt) == (other.dev_eui, other.dev_addr, 7)
    assert other.dev_eui in record.topic


def test_what_cannot_be_another_is_left_out() -> None:
    band, other = Band(1), Band(2)
    join = seal_join_request(bytes(16), join_eui="00" * 8, dev_eui=band.dev_eui, dev_nonce=1)
    beacon = envelope(b"\1", 1, kind=Kind.P2P, device=band.dev_eui)
    no_keys = Remap(Mapped({band.dev_eui: other.dev_eui}), keyring(band))
    for remap, record, reason in (
        (no_keys, envelope(join, 1), "join"),
        (no_keys, envelope(band.telemetry(), 1), "no_target_keys"),
        (Remap(Anonymous("seed"), keyring(band)), envelope(join, 1), "join"),
        (Remap(Anonymous("seed"), keyring(band)), beacon, "point_to_point"),
        (Remap(Anonymous("seed"), keyring(band)), envelope(other.telemetry(), 1), "unopened"),
        (Remap(Anonymous("seed"), keyring(band)), envelope(b"\xe0abc", 1), "unopened"),
        (Remap(Anonymous("s"), keyring()), envelope(b"", 1, kind=Kind.HEARTBEAT), "no_frames"),
        (Remap(Anonymous("s"), keyring()), Record(
            at=after(0), road=Road.MQTT, topic="khaen/priority", payload=b"{}"), "no_frames"),
        (Remap(Anonymous("s"), keyring(band), {band.dev_eui: True}),
         envelope(band.telemetry(), 1), "position"),
        (Remap(Anonymous("s"), keyring(band), {band.dev_eui: True}),
         told(band, event(band, 1, b"\1"), as_json=True), "position"),
        (Remap(Anonymous("s"), keyring(band)),
         envelope(band.telemetry(), 1), "family_not_known"),
        (Remap(Anonymous("s"), keyring(band)),
         told(band, event(band, 1, b"\1"), as_json=True), "family_not_known"),
        (Remap(Anonymous("s"), keyring(band), {band.dev_eui: False}),
         envelope(b"", 1, kind=Kind.APPLICATION, device=band.dev_eui), "no_frames"),
    ):  # fmt: skip
        with pytest.raises(Skip) as left:
            remap(record)
        assert left.value.reason == reason
    renamed = no_keys(beacon)
    assert frames(renamed)[0].dev_eui == other.dev_eui


def test_nothing_of_the_recorded_is_left_in_an_anonymous_record() -> None:
    band = Band(1)
    identities = Anonymous("a long secret that nobody guesses")
    remap = Remap(identities, keyring(band), {band.dev_eui: False})
    data = b"\x1a\x57"
    records = [
        envelope(band.telemetry(), 1),
        envelope(band.sos(), None),
        push(band, band.telemetry()),
        told(band, event(band, 7, data), as_json=True),
        told(band, event(band, 7, data), as_json=False),
    ]
    target = identities.device(band.dev_eui)
    for record in records:
        clean = remap(record)
        content = clean.topic.encode() + clean.payload
        for name in (band.dev_eui, band.dev_addr, GATEWAY):
            assert name.encode() not in content
            assert bytes.fromhex(name) not in content
            assert bytes.fromhex(name)[::-1] not in content
        for text in NAMES:
            assert text not in content
        (frame,) = frames(clean)
        assert frame.gateway_eui == identities.gateway(GATEWAY)
        assert frame.dev_addr == target.dev_addr
        if frame.phy is None:
            assert (frame.dev_eui, frame.payload) == (target.dev_eui, data)
    with_place = gw.UplinkFrame.FromString(remap(records[0]).payload)
    assert not with_place.rx_info.HasField("location")
    assert with_place.tx_info.frequency == 923_200_000
    clean_event = integration.UplinkEvent.FromString(remap(records[4]).payload)
    assert not clean_event.HasField("object")
    assert clean_event.rx_info[0].rssi == -97


@pytest.mark.parametrize("leaf", ["as923-nong-kham/gateway/{}/event/up", "khaen/gateway/{}/live"])
def test_what_an_envelope_says_beside_the_radio_is_a_closed_list(leaf: str) -> None:
    band = Band(1)
    remap = Remap(Anonymous("a long secret"), keyring(band), {band.dev_eui: False})
    found = envelope(band.telemetry(), 77)
    frame = gw.UplinkFrame.FromString(found.payload)
    frame.rx_info.context = b"Somsri@0812345678"
    frame.tx_info.modulation.lora.code_rate_legacy = "Somsri"
    metadata = frame.rx_info.metadata
    metadata["khaen_note"] = metadata["khaen_until"] = "Somsri"
    metadata["khaen_device"] = band.dev_eui
    metadata["khaen_topic"] = f"application/Nong Kham/device/{band.dev_eui}/event/up"
    topic = leaf.format(GATEWAY)
    unknown = b"\x9a\x06\x06Somsri"  # field 99 of a newer protocol
    payload = frame.SerializeToString() + unknown
    clean = remap(replace(found, topic=topic, payload=payload))
    assert clean.topic.startswith(("as923/gateway/", "khaen/gateway/"))
    for text in (b"Somsri", b"nong-kham", band.dev_eui.encode(), EPOCH.encode()):
        assert text not in clean.topic.encode() + clean.payload
    left = gw.UplinkFrame.FromString(clean.payload).rx_info
    assert left.context == b""
    assert set(left.metadata) == {
        f"khaen_{key}" for key in ("v", "kind", "at", "clock", "origin", "epoch", "seq")
    }


def test_an_event_heard_by_what_is_no_gateway_loses_that_hearing() -> None:
    band = Band(1)
    remap = Remap(Anonymous("a long secret"), keyring(band), {band.dev_eui: False})
    found = event(band, 7, b"\1")
    found.rx_info[0].metadata["khaen_who"] = "Somsri"
    found.rx_info.add(gateway_id="roof of Somsri")
    clean = remap(told(band, found, as_json=False))
    assert b"Somsri" not in clean.payload
    assert len(integration.UplinkEvent.FromString(clean.payload).rx_info) == 1


def test_a_datagram_keeps_only_what_was_sealed_anew_and_values_of_the_radio() -> None:
    band = Band(1)
    remap = Remap(Anonymous("a long secret"), keyring(band), {band.dev_eui: False})
    ours = rxpk(band.telemetry())
    told_of = {
        "modu": "Somsri", "codr": {"owner": "Somsri"}, "time": "at the house of Somsri",
        "mid": 812345678, "chan": True, "lsnr": "Somsri",
    }  # fmt: skip
    broken = {"data": f"AA!{bytes.fromhex(band.dev_eui).hex()}", "stat": 1}
    entries = [{**ours, **told_of}, broken, {"data": "", "time": "Somsri"}, "Somsri"]
    head = b"\x02\x07\x00\x00" + bytes.fromhex(GATEWAY)
    payload = head + json.dumps({"rxpk": entries}).encode()
    clean = remap(Record(at=after(0), road=Road.UDP_UP, payload=payload))
    (left,) = json.loads(clean.payload[12:])["rxpk"]
    assert set(left) == set(ours) - set(told_of)
    assert {key: left[key] for key in ("freq", "datr", "rssi")} == {
        key: ours[key] for key in ("freq", "datr", "rssi")
    }
    assert len(frames(clean)) == 1


def test_the_same_secret_gives_the_same_people_and_another_others() -> None:
    band = Band(1)
    first, second, third = Anonymous("one"), Anonymous("one"), Anonymous("two")
    assert first.device(band.dev_eui) == second.device(band.dev_eui)
    assert first.gateway(GATEWAY) == second.gateway(GATEWAY)
    assert first.device(band.dev_eui).dev_eui != third.device(band.dev_eui).dev_eui
    assert first.application("a") == second.application("a") != third.application("a")
    assert first.device(band.dev_eui).dev_eui.startswith("0a")
    assert "secret" not in repr(first)
    keys = first.device(band.dev_eui).keys
    assert keys is not None
    assert keys.app_s_key.hex() not in repr(first.device(band.dev_eui))


def test_one_frame_by_two_ways_stays_one() -> None:
    band, identities = Band(1), Anonymous("a long secret that nobody guesses")
    remap = Remap(identities, keyring(band), {band.dev_eui: False})
    phy = band.telemetry()
    recorded = keyring(band).open(phy)
    assert recorded is not None
    by_radio = frames(remap(envelope(phy, 1)))[0]
    by_server = frames(remap(told(band, event(band, 0, recorded.payload), as_json=True)))[0]
    target = identities.device(band.dev_eui)
    assert by_radio.phy is not None
    opened = Keyring({target.dev_eui: target.keys or band.keys}).open(by_radio.phy)
    assert opened is not None
    assert (opened.dev_eui, opened.f_cnt, opened.payload, by_radio.dev_addr) == (
        by_server.dev_eui, by_server.f_cnt, by_server.payload, by_server.dev_addr,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n", r"map.csv:1: write two EUIs"),
        (f"from,to\n{GATEWAY}\n", r"map.csv:2: write two EUIs"),
        (f"{GATEWAY},{OTHER_GATEWAY}\n{GATEWAY},{OTHER_GATEWAY}", "2: .* is named already"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "map.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        read_map(file)


def test_a_map_takes_euis_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text("from,to\nAC:1F:09:FF:FE:0A:0B:01, 0a00000000000001\n\n")
    assert read_map(file) == {GATEWAY: OTHER_GATEWAY}
