"""Time on air, against the table that RP002's dwell limits follow from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.lorawan.airtime import airtime, fsk_airtime, lora_airtime
from khaen.lorawan.region import DATA_RATES


@pytest.mark.parametrize(
    ("data_rate", "milliseconds"),
    [(0, 1482.8), (1, 823.3), (2, 370.7), (3, 205.8), (4, 113.2), (5, 61.7), (6, 30.8)],
)
def test_time_of_23_bytes_by_the_formula(data_rate: int, milliseconds: float) -> None:
    """By hand from SX1276's data sheet, section 4.1.1.7: 8 symbols of preamble, 4/5, CRC."""
    assert airtime(23, DATA_RATES[data_rate]) * 1000 == pytest.approx(milliseconds, abs=0.05)


def test_fsk_counts_preamble_sync_length_and_crc() -> None:
    assert fsk_airtime(23, bit_rate=50_000) == pytest.approx(34 * 8 / 50_000)
    assert airtime(23, DATA_RATES[7]) == fsk_airtime(23, bit_rate=50_000)


def test_a_downlink_goes_without_crc() -> None:
    # SF10, 125 kHz, 15 bytes: ceil((8 * 15 - 40 + 28 + 16 CRC) / 40) is 4 with it, 3 without.
    symbol = 1024 / 125_000
    assert airtime(15, DATA_RATES[2]) == pytest.approx((12.25 + 8 + 4 * 5) * symbol)
    assert airtime(15, DATA_RATES[2], crc=False) == pytest.approx((12.25 + 8 + 3 * 5) * symbol)


def test_implicit_header_and_coding_rate() -> None:
    # SF7, 125 kHz, 10 bytes: n = 8 + ceil((80 - 28 + 28 + 16 - 20 IH) / 28) * (CR + 4)
    symbol = 128 / 125_000
    plain = lora_airtime(10, spreading_factor=7, bandwidth=125_000)
    assert plain == pytest.approx((12.25 + 8 + 4 * 5) * symbol)
    implicit = lora_airtime(10, spreading_factor=7, bandwidth=125_000, implicit_header=True)
    assert implicit == pytest.approx((12.25 + 8 + 3 * 5) * symbol)
    strong = lora_airtime(10, spreading_factor=7, bandwidth=125_000, coding_rate=4)
    assert strong == pytest.approx((12.25 + 8 + 4 * 8) * symbol)


@given(
    size=st.integers(0, 254),
    spreading_factor=st.integers(7, 12),
    bandwidth=st.sampled_from([125_000, 250_000, 500_000]),
)
def test_more_bytes_never_take_less_time(size: int, spreading_factor: int, bandwidth: int) -> None:
    shorter, longer = (
        lora_airtime(count, spreading_factor=spreading_factor, bandwidth=bandwidth)
        for count in (size, size + 1)
    )
    assert 0 < shorter <= longer


@pytest.mark.parametrize(
    "wrong",
    [
        {"spreading_factor": 4},
        {"spreading_factor": 13},
        {"coding_rate": 0},
        {"coding_rate": 5},
        {"size": 256},
        {"size": -1},
        {"bandwidth": 0},
    ],
)
def test_what_no_radio_sends_is_refused(wrong: dict[str, int]) -> None:
    fields = {"size": 10, "spreading_factor": 7, "bandwidth": 125_000, **wrong}
    with pytest.raises(ValueError, match=r"."):
        lora_airtime(fields.pop("size"), **fields)  # type: ignore[arg-type]


def test_fsk_refuses_what_it_cannot_send() -> None:
    with pytest.raises(ValueError, match="size"):
        fsk_airtime(256, bit_rate=50_000)
