"""ChirpStack's events: as recorded, as ingest reads them, the same in text as in messages."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from chirpstack_api import integration
from google.protobuf import json_format
from hypothesis import given

from ingest.item import Said
from ingest.sources import chirpstack as reader
from khaen import topics
from khaen.clock import Rung
from khaen.uplink import Origin
from simulators.application.chirpstack import STATUS_EACH, ChirpStack
from simulators.application.chirpstack_json import ChirpStackJson
from simulators.application.form import Event, Subject, Uplink
from simulators.network.encoding import as_json
from store.quarantine import DeviceEvent
from tests.support.uplinks import ANY_UPLINK, AT, DEV_EUI, GATEWAYS, SITE, SUBJECT, make_uplink

VECTORS = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))
JOINED = Subject(
    dev_eui=SUBJECT.dev_eui,
    dev_addr=SUBJECT.dev_addr,
    family=SUBJECT.family,
    organisation=SUBJECT.organisation,
    otaa=True,
)


def kinds(events: list[Event]) -> list[str]:
    return [event.topic.rpartition("/")[2] for event in events]


def read(event: Event) -> Said | DeviceEvent:
    """The event as ingest's own reader takes it."""
    topic = topics.parse(event.topic)
    assert isinstance(topic, topics.ApplicationTopic)
    return reader.read(topic, event.topic, event.payload, AT + timedelta(seconds=1))


def test_events_are_those_that_were_recorded() -> None:
    events = list(ChirpStackJson(SITE, seed=1).write(make_uplink(subject=JOINED)))
    found = [[event.topic, event.payload.decode()] for event in events]
    assert found == VECTORS["chirpstack"]


@given(ANY_UPLINK)
def test_text_is_the_message_to_the_byte(uplink: Uplink) -> None:
    form = ChirpStackJson(SITE, seed=3)
    assert form.encode_up(uplink) == as_json(form.up(uplink))


@given(ANY_UPLINK)
def test_both_encodings_say_the_same(uplink: Uplink) -> None:
    text = ChirpStackJson(SITE, seed=3).encode_up(uplink)
    event = integration.UplinkEvent.FromString(ChirpStack(SITE, seed=3).encode_up(uplink))
    assert json_format.ParseDict(json.loads(text), integration.UplinkEvent()) == event


def test_ingest_reads_an_uplink_with_its_receptions_and_that_it_is_simulated() -> None:
    for form in (ChirpStack(SITE, seed=1), ChirpStackJson(SITE, seed=1)):
        up = next(event for event in form.write(make_uplink()) if event.topic.endswith("/up"))
        said = read(up)
        assert isinstance(said, Said)
        assert (said.dev_eui, said.dev_addr, said.f_cnt) == (DEV_EUI, SUBJECT.dev_addr, 42)
        assert (said.f_port, said.payload.hex()) == (2, "01480e4258")
        assert said.origin is Origin.SIMULATED
        found = [(r.gateway_eui, r.rssi, r.snr, r.clock, r.received_at) for r in said.receptions]
        assert found == [
            (GATEWAYS[0], -57, 9.5, Rung.GPS, AT),
            (GATEWAYS[1], -108, -4.25, Rung.GPS, AT),
        ]


def test_ingest_keeps_joins_and_statuses_as_events_of_the_device() -> None:
    for form in (ChirpStack(SITE, seed=1), ChirpStackJson(SITE, seed=1)):
        found: list[Any] = [read(event) for event in form.write(make_uplink(subject=JOINED))]
        assert [getattr(item, "kind", "up") for item in found] == ["join", "up", "status"]
        assert {item.dev_eui for item in found} == {DEV_EUI}


def test_only_a_device_that_joins_says_so_once_and_its_status_once_a_day() -> None:
    form = ChirpStackJson(SITE, seed=1)
    assert kinds(list(form.write(make_uplink()))) == ["up", "status"]
    assert kinds(list(form.write(make_uplink(at=AT + STATUS_EACH / 2)))) == ["up"]
    assert kinds(list(form.write(make_uplink(at=AT + STATUS_EACH)))) == ["up", "status"]
    form = ChirpStackJson(SITE, seed=1)
    assert kinds(list(form.write(make_uplink(subject=JOINED)))) == ["join", "up", "status"]
    assert kinds(list(form.write(make_uplink(subject=JOINED)))) == ["up"]


def test_every_event_says_that_it_is_simulated() -> None:
    for event in ChirpStackJson(SITE, seed=1).write(make_uplink(subject=JOINED)):
        assert json.loads(event.payload)["deviceInfo"]["tags"] == {"origin": "simulated"}


def test_another_seed_gives_other_ids_and_the_same_facts() -> None:
    one, other = (
        json.loads(ChirpStackJson(SITE, seed=seed).encode_up(make_uplink())) for seed in (1, 2)
    )
    assert one.pop("deduplicationId") != other.pop("deduplicationId")
    for document in (one, other):
        for rx in document["rxInfo"]:
            del rx["uplinkId"]
    assert one == other
