"""A relay's frame is an uplink of each wearer's own, once, whoever heard it and however often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders import catalogue, lansitec
from ingest.in_process import Sent
from khaen.ids import DevEui
from khaen.uplink import Origin
from tests.support.in_process import InProcess, late
from tests.support.traffic import GATEWAYS, Device, Gateway, apply_site, dev_addr, make_site

RELAY = DevEui("a1b2c3d4e5f60010")
FOREIGN_RELAY = DevEui("a1b2c3d4e5f60011")
SHORT_RELAY = DevEui("a1b2c3d4e5f60012")
MACS = (bytes.fromhex("a1b2c3d4e5f6"), bytes.fromhex("0102030405aa"))
WEARERS = tuple(lansitec.dev_eui(mac) for mac in MACS)
STRANGER = bytes.fromhex("ffffffffff01")
VITALS = bytes.fromhex("57487850014a016e00107201053cc4")
"""Battery 87 %, heart rate 72, 120/80 mmHg, 33.0 and 36.6 °C, 4210 steps, worn."""


def message(*macs: bytes) -> bytes:
    return bytes((0xC0, len(macs))) + b"".join(mac + VITALS for mac in macs)


@pytest.fixture
def ward(ingest: InProcess) -> InProcess:
    devices = [
        {"dev_eui": RELAY, "family": "lansitec_helmet_sensor", "organisation": "ward"},
        {"dev_eui": FOREIGN_RELAY, "family": "lansitec_helmet_sensor", "organisation": "real"},
        {"dev_eui": SHORT_RELAY, "family": "lansitec_bluetooth_gateway", "organisation": "ward"},
    ]
    for device in devices:
        device["dev_addr"] = dev_addr(DevEui(device["dev_eui"]))
    devices += [
        {
            "dev_eui": wearer,
            "family": "lansitec_bracelet",
            "organisation": "ward",
            "resident": f"R-{number}",
        }
        for number, wearer in enumerate(WEARERS)
    ]
    apply_site(ingest.database, make_site(devices=devices))
    ingest.clock.advance(5)  # the ledger is asked for changes now and then
    return ingest


def live(gateway: Gateway, payload: bytes) -> Sent:
    return Sent(topic=gateway.up, payload=payload)


def uplinks(ingest: InProcess) -> list[tuple[str, str, str, int]]:
    rows = ingest.rows("SELECT dev_eui, subject, family, receptions FROM uplink ORDER BY 1")
    return [(str(a), str(b), str(c), int(d)) for a, b, c, d in rows]


def test_each_wearer_has_an_uplink_of_its_own(ward: InProcess) -> None:
    gateway, relay = Gateway(), Device(RELAY)
    counts = ward.take(live(gateway, gateway.hear(relay.say(message(*MACS)), ward.now())))
    assert counts["admitted"] == 3
    found = {row[0]: row[1:] for row in uplinks(ward)}
    assert found[RELAY][1] == "lansitec_helmet_sensor"
    assert [found[wearer] for wearer in WEARERS] == [
        (f"person:R-{number}", "lansitec_bracelet", 1) for number in range(2)
    ]
    beats = ward.rows("SELECT dev_eui, value FROM latest WHERE quantity = 'heart_rate' ORDER BY 1")
    assert beats == sorted((wearer, 72.0) for wearer in WEARERS)


def test_copies_by_any_way_merge(ward: InProcess) -> None:
    one, two, relay = Gateway(), Gateway(GATEWAYS[1]), Device(RELAY)
    phy = relay.say(message(*MACS))
    first, second = one.hear(phy, ward.now()), two.hear(phy, ward.now())
    ward.take(live(one, first), live(two, second))
    ward.take(late(two.eui, second))
    ward.take(live(one, first))
    assert [row[3] for row in uplinks(ward)] == [2, 2, 2]


def test_the_next_frame_is_another_uplink_of_each(ward: InProcess) -> None:
    gateway, relay = Gateway(), Device(RELAY)
    for _ in range(3):
        ward.clock.advance(60)
        ward.take(live(gateway, gateway.hear(relay.say(message(*MACS)), ward.now())))
    assert len(uplinks(ward)) == 9


def test_who_is_not_registered_is_set_aside_once_and_costs_nobody(ward: InProcess) -> None:
    one, two, relay = Gateway(), Gateway(GATEWAYS[1]), Device(RELAY)
    phy = relay.say(message(STRANGER, MACS[0]))
    counts = ward.take(live(one, one.hear(phy, ward.now())))
    counts += ward.take(live(two, two.hear(phy, ward.now())))
    assert counts["refused:unknown_device"] == 1
    assert [row[0] for row in uplinks(ward)] == sorted([RELAY, WEARERS[0]])
    assert ward.rows("SELECT reason, detail FROM quarantine") == [
        ("unknown_device", f"{lansitec.dev_eui(STRANGER)} through {RELAY}")
    ]


def test_what_is_set_aside_is_the_relays_whole_message(ward: InProcess) -> None:
    gateway, relay = Gateway(), Device(RELAY)
    heard = gateway.hear(relay.say(message(STRANGER)), ward.now())
    ward.take(live(gateway, heard))
    (content,) = ward.rows("SELECT content FROM quarantine")[0]
    assert content == heard


def test_a_relay_speaks_for_its_own_organisation_only(ward: InProcess) -> None:
    gateway, relay = Gateway(), Device(FOREIGN_RELAY)
    heard = gateway.hear(relay.say(message(MACS[0])), ward.now(), origin=Origin.RADIO)
    counts = ward.take(live(gateway, heard))
    assert counts["refused:not_its_device"] == 1
    assert [row[0] for row in uplinks(ward)] == [FOREIGN_RELAY]


def test_a_wearers_call_is_the_wearers_alarm(ward: InProcess) -> None:
    gateway, relay = Gateway(), Device(SHORT_RELAY)
    call = bytes((0x91,)) + MACS[1] + bytes.fromhex("4810725778500000aa01") + b"\x20"
    ward.take(live(gateway, gateway.hear(relay.say(call), ward.now())))
    assert ward.rows("SELECT rule, subject, priority FROM alarm") == [("sos", "person:R-1", 1)]


@pytest.mark.parametrize("cut", [1, 2, 22, 23, 43])
def test_half_a_wearer_is_nobody(ward: InProcess, cut: int) -> None:
    gateway, relay = Gateway(), Device(RELAY)
    ward.take(live(gateway, gateway.hear(relay.say(message(*MACS)[:cut]), ward.now())))
    assert len(uplinks(ward)) == 1 + (cut - 2) // 21 if cut > 1 else 1


@given(payload=st.binary(max_size=242), f_port=st.integers(0, 255))
def test_any_bytes_are_split(payload: bytes, f_port: int) -> None:
    for family in catalogue.families().values():
        if family.split is not None:
            for dev_eui, piece in family.split(f_port, payload):
                assert len(dev_eui) == 16
                assert piece


def test_a_bracelets_name_is_its_mac() -> None:
    assert lansitec.dev_eui(MACS[0]) == "a1b2c3fffed4e5f6"
