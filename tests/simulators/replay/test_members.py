"""A replay speaks for the devices and gateways of one simulated site, and for nobody else."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from khaen import topics
from khaen.capture import Record
from khaen.lorawan.join import seal_join_request
from khaen.site.loader import Loaded
from khaen.uplink import Kind
from simulators.frames import frames
from simulators.replay.datagrams import Datagrams
from simulators.replay.members import Members
from simulators.replay.skip import Skip
from simulators.replay.stamp import Stamper
from tests.simulators.replay.traffic import GATEWAY, after, envelope, event, told
from tests.support.chirpstack import topic as event_topic
from tests.support.site import GATEWAYS, Band, describe

OURS, STRANGER = Band(1), Band(2)
SITE = describe([OURS], {GATEWAY: 0}, keys_file=Path("keys.csv"), simulated=True)
MEMBERS = Members(Loaded(site=SITE, keys={OURS.dev_eui: OURS.keys}, warnings=()))


def join_of(band: Band) -> bytes:
    return seal_join_request(bytes(16), join_eui="00" * 8, dev_eui=band.dev_eui, dev_nonce=1)


def carried(band: Band) -> Record:
    """A network server's event in its gateway's envelope."""
    return envelope(
        told(band, event(band, 1, b"\1"), as_json=True).payload,
        1,
        kind=Kind.APPLICATION,
        topic=event_topic(band.dev_eui),
    )


@pytest.mark.parametrize(
    "record",
    [
        envelope(OURS.telemetry(), 1),
        envelope(join_of(OURS), 1),
        envelope(b"\1", 1, kind=Kind.P2P, device=OURS.dev_eui),
        told(OURS, event(OURS, 1, b"\1"), as_json=True),
        carried(OURS),
    ],
)
def test_what_a_member_says_is_sent_as_it_is(record: Record) -> None:
    assert MEMBERS(record) == record


@pytest.mark.parametrize(
    "record",
    [
        envelope(STRANGER.telemetry(), 1),
        envelope(OURS.telemetry(), 1, gateway=GATEWAYS[1]),
        envelope(join_of(STRANGER), 1),
        envelope(b"\xc0rejoin", 1),
        envelope(b"\1", 1, kind=Kind.P2P, device=STRANGER.dev_eui),
        told(STRANGER, event(STRANGER, 1, b"\1"), as_json=True),
        carried(STRANGER),
    ],
)
def test_what_anybody_else_says_is_left_out(record: Record) -> None:
    with pytest.raises(Skip, match="not_of_the_site"):
        MEMBERS(record)


def test_a_member_without_an_address_is_known_by_its_keys() -> None:
    joined = SITE.devices[0].model_copy(update={"dev_addr": None})
    site = SITE.model_copy(update={"devices": (joined,)})
    members = Members(Loaded(site=site, keys={OURS.dev_eui: OURS.keys}, warnings=()))
    record = envelope(OURS.telemetry(), 1)
    assert members(record) == record
    with pytest.raises(Skip):
        members(envelope(STRANGER.telemetry(), 1))


def test_an_event_keeps_the_hearings_of_members() -> None:
    found = event(OURS, 1, b"\1")
    found.rx_info.add(gateway_id=GATEWAYS[1], rssi=-50)
    left = MEMBERS(told(OURS, found, as_json=True))
    assert [frame.gateway_eui for frame in frames(left)] == [GATEWAY]


@pytest.mark.parametrize("phy", [join_of(OURS), b"\xc0rejoin"])
def test_no_join_reaches_a_network_server(phy: bytes) -> None:
    record = envelope(phy, 1)
    (sent,) = Stamper("run").stamp(record, lambda at: at, after(0))
    assert sent.topic == topics.backlog(GATEWAY)
    (data,) = Stamper("run").stamp(envelope(OURS.telemetry(), 1), lambda at: at, after(0))
    assert data.topic == topics.up("as923", GATEWAY)
    later = replace(record, at=record.at + timedelta(days=3))
    with pytest.raises(Skip, match="join"):
        list(Datagrams().make(later))
