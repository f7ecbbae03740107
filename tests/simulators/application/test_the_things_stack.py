"""The Things Stack's messages: as recorded, and by the facts of its own."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from hypothesis import given

from khaen.clock import parse_time
from simulators.application.form import Subject, Uplink
from simulators.application.the_things_stack import TheThingsStack, write_time
from tests.support.uplinks import ANY_UPLINK, AT, DEV_EUI, SITE, SUBJECT, make_uplink

VECTORS = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))
JOINED = Subject(
    dev_eui=SUBJECT.dev_eui,
    dev_addr=SUBJECT.dev_addr,
    family=SUBJECT.family,
    organisation=SUBJECT.organisation,
    otaa=True,
)


def zeros(value: Any, above: str = "") -> list[str]:
    """Where a document holds what its writer leaves out."""
    if isinstance(value, dict):
        return [path for key, item in value.items() for path in zeros(item, f"{above}.{key}")]
    if isinstance(value, list) and value:
        return [path for item in value for path in zeros(item, above)]
    return [] if value else [above]


def test_messages_are_those_that_were_recorded() -> None:
    events = list(TheThingsStack(SITE, seed=1).write(make_uplink(subject=JOINED)))
    found = [[event.topic, event.payload.decode()] for event in events]
    assert found == VECTORS["the_things_stack"]


@given(ANY_UPLINK)
def test_a_message_is_as_the_things_stack_writes_it(uplink: Uplink) -> None:
    (event,) = TheThingsStack(SITE, seed=1).write(uplink)
    assert event.topic == f"v3/ward@ttn/devices/eui-{DEV_EUI}/up"
    document = json.loads(event.payload)
    assert document["simulated"] is True
    assert document["end_device_ids"]["dev_eui"] == DEV_EUI.upper()
    assert document["end_device_ids"]["dev_addr"] == "014B0001"
    message = document["uplink_message"]
    assert message["settings"]["frequency"] == str(uplink.frequency)
    assert message.get("f_cnt", 0) == uplink.f_cnt
    assert message.get("f_port", 0) == uplink.f_port
    assert message.get("confirmed", False) is uplink.confirmed
    assert base64.b64decode(message.get("frm_payload", "")) == uplink.payload
    assert len(message["rx_metadata"]) == len(uplink.hearings)
    assert zeros(document) == []
    for rx, hearing in zip(message["rx_metadata"], uplink.hearings, strict=True):
        assert rx["gateway_ids"]["eui"] == hearing.gateway_eui.upper()
        assert (rx.get("rssi", 0), rx.get("snr", 0)) == (hearing.rssi, hearing.snr)
        assert parse_time(rx["time"]) == uplink.at


def test_a_device_that_joins_says_so_once() -> None:
    form = TheThingsStack(SITE, seed=1)
    for expected in (["join", "up"], ["up"]):
        events = list(form.write(make_uplink(subject=JOINED)))
        assert [event.topic.rpartition("/")[2] for event in events] == expected
        assert all(json.loads(event.payload)["simulated"] for event in events)


def test_times_have_no_zeros_at_their_end() -> None:
    assert write_time(AT) == "2026-07-23T01:02:03.456Z"
    assert write_time(AT.replace(microsecond=0)) == "2026-07-23T01:02:03Z"
    assert write_time(AT.replace(second=10, microsecond=0)) == "2026-07-23T01:02:10Z"
    assert write_time(AT.replace(microsecond=120)) == "2026-07-23T01:02:03.00012Z"
