"""Other identities: frames of others that their keys open, and nothing left of those recorded."""

import json
from collections.abc import Iterable
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
from tests.simulators.replay.traffic import GATEWAY, after, envelope, event, told
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
        (Remap(Anonymous("s"), keyring(band), lambda *_: True),
         envelope(band.telemetry(), 1), "position"),
        (Remap(Anonymous("s"), keyring(band), lambda *_: True),
         told(band, event(band, 1, b"\1"), as_json=True), "position"),
    ):  # fmt: skip
        with pytest.raises(Skip) as left:
            remap(record)
        assert left.value.reason == reason
    renamed = no_keys(beacon)
    assert frames(renamed)[0].dev_eui == other.dev_eui


def test_nothing_of_the_recorded_is_left_in_an_anonymous_record() -> None:
    band = Band(1)
    identities = Anonymous("a long secret that nobody guesses")
    remap = Remap(identities, keyring(band))
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
    remap = Remap(identities, keyring(band))
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
