"""Milesight's channels: the same data wherever it stands, history, conditions, odd numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decoders import milesight
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    (0x01, 0x01): Channel(
        length=2,
        numbers=(Number(quantity="water_level", form="u16", missing=frozenset({0xFFFF})),),
    ),
    (0x02, 0x02): Channel(
        length=2,
        numbers=(Number(quantity="pulses", form="u8", at=1, when=(0, 0x0F, 2)),),
    ),
    (0x03, 0x03): Channel(
        length=6,
        dated=True,
        numbers=(Number(quantity="co2", form="u16", at=4),),
    ),
    (0x04, 0x04): Channel(
        length=1,
        numbers=(Number(quantity="energy_import", form="u8", times=10),),
    ),
    (0x05, 0x05): Channel(length=4, numbers=(Number(quantity="generic", form="f32"),)),
}


def test_data_that_comes_again_keeps_its_own_place() -> None:
    decoded = milesight.read(TABLE, bytes.fromhex("0101ffff 01010100 0101ffff"))
    assert [each.value for each in decoded.readings] == [1]
    assert [each.offset for each in decoded.warnings] == [0, 8]


def test_history_that_is_alike_keeps_its_own_time() -> None:
    decoded = milesight.read(TABLE, bytes.fromhex("03039e7446630102 03039f7446630102"))
    first, second = decoded.readings
    assert first.value == second.value
    assert first.measured_at is not None
    assert second.measured_at is not None
    assert (second.measured_at - first.measured_at).total_seconds() == 1


def test_a_number_is_there_only_on_its_condition() -> None:
    decoded = milesight.read(TABLE, bytes.fromhex("0202f207 02020307"))
    assert [each.value for each in decoded.readings] == [7]
    assert not decoded.warnings


def test_times_divide_and_floats() -> None:
    decoded = milesight.read(TABLE, bytes.fromhex("040403 05050000b841"))
    assert [each.value for each in decoded.readings] == [30, 23]


@given(st.binary(max_size=60))
def test_reading_twice_says_the_same(payload: bytes) -> None:
    first = milesight.read(TABLE, payload)
    again = milesight.read(TABLE, payload)
    assert [str(each) for each in first.readings] == [str(each) for each in again.readings]
    assert first.warnings == again.warnings
