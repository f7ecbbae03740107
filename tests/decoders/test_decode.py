"""Any bytes on any port give an outcome, of any family."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders import catalogue
from decoders.decode import EMPTY, decode, decode_payload, judge
from khaen.clock import Rung
from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.quantity import QUANTITIES
from khaen.reading import Decoded, Event, EventKind, Quality, Reading
from khaen.uplink import Origin, Reception, Uplink, Way

FAMILIES = catalogue.names()
PORTS = st.one_of(st.sampled_from([1, 2, 10, 11, 12, 85]), st.integers(0, 255))


def an_uplink(f_port: int, payload: bytes) -> Uplink:
    return Uplink(
        dev_eui=DevEui("24e124535b316056"),
        dev_addr=DevAddr("01020304"),
        generation=0,
        f_cnt=7,
        f_port=f_port,
        payload=payload,
        phy_payload=None,
        confirmed=False,
        origin=Origin.RADIO,
        receptions=(
            Reception(
                gateway_eui=GatewayEui("a84041ffff000001"),
                way=Way.LIVE,
                received_at=datetime(2026, 4, 13, tzinfo=UTC),
                clock=Rung.SYNCED,
            ),
        ),
    )


@given(family=st.sampled_from(FAMILIES), f_port=PORTS, payload=st.binary(max_size=242))
def test_any_bytes_give_an_outcome(family: str, f_port: int, payload: bytes) -> None:
    decoded = decode(family, an_uplink(f_port, payload))
    emitted = catalogue.family(family).quantities
    for reading in decoded.readings:
        assert reading.quantity in emitted
        assert reading.quality is QUANTITIES[reading.quantity].quality(reading.value)
        assert math.isfinite(reading.value)
        assert reading.measured_at is None or reading.measured_at.tzinfo is UTC
    for warning in decoded.warnings:
        assert warning.offset is None or 0 <= warning.offset <= len(payload)
    for event in decoded.events:
        assert all(math.isfinite(value) for value in event.detail.values())


@given(data=st.data())
def test_bytes_after_a_good_start_take_nothing_away(data: st.DataObject) -> None:
    junk = data.draw(st.binary(max_size=20))
    whole = decode("milesight_ws101", an_uplink(85, bytes.fromhex("ff2e02") + junk))
    assert whole.events[0].kind is EventKind.SOS


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("f_port", "payload"), [(85, b""), (0, b"\x01\x75\x64"), (226, b"\x01")])
def test_what_only_the_network_reads_says_nothing(family: str, f_port: int, payload: bytes) -> None:
    assert decode(family, an_uplink(f_port, payload)) == EMPTY


@pytest.mark.parametrize("family", ["none_such", "../khaen", "", "__init__"])
def test_an_unknown_family_is_refused_by_name(family: str) -> None:
    with pytest.raises(SettingsError):
        decode_payload(family, 85, b"\x01\x75\x64")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_declares_only_what_the_catalogue_has(family: str) -> None:
    decoder = catalogue.family(family)
    assert decoder.quantities <= QUANTITIES.keys()
    assert decoder.version >= 1
    assert decoder.maker
    assert decoder.model


def test_five_kinds_of_sensors_of_a_city() -> None:
    domains = {
        QUANTITIES[quantity].domain
        for family in catalogue.families().values()
        for quantity in family.quantities
    }
    assert {"vitals", "air", "water", "waste", "energy", "light", "weather"} <= domains


def test_what_is_no_number_is_dropped_and_said() -> None:
    judged = judge(
        Decoded(
            readings=(
                Reading(quantity="steps", value=math.nan),
                Reading(quantity="steps", value=math.inf),
                Reading(quantity="no_such", value=1),
                Reading(quantity="steps", value=-1),
                Reading(quantity="steps", value=5),
            ),
            events=(Event(kind=EventKind.SOS),),
        )
    )
    assert [(r.value, r.quality) for r in judged.readings] == [
        (-1, Quality.SUSPECT),
        (5, Quality.GOOD),
    ]
    assert len(judged.warnings) == 3
    assert judged.events == (Event(kind=EventKind.SOS),)
