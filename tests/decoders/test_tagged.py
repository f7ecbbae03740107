"""Rows of tagged fields: read by their table, cut anywhere, dated, numbered."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from decoders.tagged import Field, Value, one, quantities, read
from khaen.reading import Reading

TABLE = {
    0x01: one("h", "air_temperature", divide=10),
    0x02: one("B", "relative_humidity"),
    0x03: Field(form="I", dates=True),
    0x04: Field(form="bH", values=(Value(quantity="altitude", divide=100, wide=True),)),
    0x05: Field(form="B", values=(Value(quantity="leak", state=True),)),
    0x06: Field(form="B", values=(Value(quantity="occupancy", missing=frozenset({9})),)),
    0x0701: Field(form="B"),
}
WHOLE = bytes.fromhex("01ffce 0237 0503 04ffff9c")
VALUES = [
    ("air_temperature", -5.0),
    ("relative_humidity", 55.0),
    ("leak", 1.0),
    ("altitude", -1.0),
]


def values(readings: tuple[Reading, ...]) -> list[tuple[str, float]]:
    return [(each.quantity, each.value) for each in readings]


def test_fields_in_their_order() -> None:
    decoded = read(TABLE, WHOLE)
    assert values(decoded.readings) == VALUES
    assert not decoded.warnings
    assert {each.channel for each in decoded.readings} == {""}


@given(st.integers(0, len(WHOLE)))
def test_what_is_whole_before_a_cut_is_read(length: int) -> None:
    decoded = read(TABLE, WHOLE[:length])
    assert values(decoded.readings) == VALUES[: len(decoded.readings)]
    assert len(decoded.warnings) == (length not in {0, 3, 5, 7, 11})


@given(st.binary(max_size=60), st.integers(1, 2))
def test_any_bytes_give_an_outcome(payload: bytes, head: int) -> None:
    decoded = read(TABLE, payload, head=head, numbered=head > 1)
    assert {each.quantity for each in decoded.readings} <= quantities(TABLE)
    assert all(each.offset is not None for each in decoded.warnings)


def test_a_number_before_the_tag_is_the_channel() -> None:
    decoded = read(TABLE, bytes.fromhex("0a0237 ff0238"), head=2, numbered=True)
    assert [(each.channel, each.value) for each in decoded.readings] == [("10", 55), ("255", 56)]


def test_a_field_may_stand_under_channel_and_tag() -> None:
    decoded = read(TABLE, bytes.fromhex("070163 080100fa"), head=2)
    assert values(decoded.readings) == [("air_temperature", 25.0)]


def test_a_time_dates_what_follows_it() -> None:
    decoded = read(TABLE, bytes.fromhex("0237 036346749e 0238"))
    at = datetime(2022, 10, 12, 8, 2, 38, tzinfo=UTC)
    assert [each.measured_at for each in decoded.readings] == [None, at]


def test_what_a_clock_that_was_not_set_dates_is_left() -> None:
    decoded = read(TABLE, bytes.fromhex("0237 0300000001 0238"))
    assert values(decoded.readings) == [("relative_humidity", 55)]
    assert [each.offset for each in decoded.warnings] == [2]


def test_a_missing_value_does_not_end_the_reading() -> None:
    decoded = read(TABLE, bytes.fromhex("0609 0237"))
    assert values(decoded.readings) == [("relative_humidity", 55)]
    assert [each.offset for each in decoded.warnings] == [0]
