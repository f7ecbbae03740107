"""AS923-1 in Thailand: the tables and what follows from them."""

from __future__ import annotations

import pytest

from khaen.lorawan import region
from khaen.lorawan.airtime import airtime
from khaen.lorawan.region import (
    DATA_RATES,
    data_rate_named,
    data_rate_of,
    max_payload,
    rx1_data_rate,
    tx_power,
)

HEADERS = 13
"""Bytes of a PHYPayload around the FRMPayload, with empty FOpts."""


def test_data_rates_are_found_by_name_and_by_modulation() -> None:
    assert [rate.index for rate in DATA_RATES] == list(range(8))
    for rate in DATA_RATES:
        assert data_rate_named(rate.name) is rate
        if rate.spreading_factor is not None:
            assert data_rate_of(rate.spreading_factor, rate.bandwidth) is rate
    assert DATA_RATES[2].name == "SF10BW125"
    assert DATA_RATES[7].name == "50000"
    assert data_rate_named("SF6BW125") is None
    assert data_rate_of(12, 500_000) is None


def test_dwell_time_follows_from_the_time_on_air() -> None:
    """N under 400 ms is the largest payload whose frame ends in time, up to the table's own cap."""
    for rate in DATA_RATES:
        sizes = (size for size in range(rate.max_payload, -1, -1))
        fitting = (size for size in sizes if airtime(size + HEADERS, rate) <= region.DWELL_TIME)
        if rate.index <= 4:
            assert next(fitting, 0) == rate.max_payload_dwell
        else:
            # RP002 gives SF7 its full 242 bytes, of which the last ones take 400 ms: 399.6.
            assert next(fitting) == rate.max_payload_dwell == 242


@pytest.mark.parametrize(
    ("data_rate", "dwell", "f_opts", "expected"),
    [(2, True, 0, 11), (2, True, 4, 7), (0, True, 0, 0), (1, True, 3, 0), (2, False, 0, 115)],
)
def test_payload_beside_f_opts(data_rate: int, dwell: bool, f_opts: int, expected: int) -> None:
    assert max_payload(data_rate, dwell=dwell, f_opts=f_opts) == expected


# ChirpStack, lrwn/src/region/as923.rs: test_get_rx1_dr_dwell_time, test_get_rx1_dr_no_dwell_time
@pytest.mark.parametrize(
    ("uplink", "offset", "with_dwell", "without_dwell"),
    [
        (5, 0, 5, 5),
        (5, 1, 4, 4),
        (5, 2, 3, 3),
        (5, 3, 2, 2),
        (5, 4, 2, 1),
        (5, 5, 2, 0),
        (5, 6, 5, 5),
        (5, 7, 5, 5),
        (2, 6, 3, 3),
        (2, 7, 4, 4),
    ],
)
def test_first_receive_window(
    uplink: int, offset: int, with_dwell: int, without_dwell: int
) -> None:
    assert rx1_data_rate(uplink, offset=offset, dwell=True) == with_dwell
    assert rx1_data_rate(uplink, offset=offset) == without_dwell


def test_channels_lie_in_the_thai_band_and_hold_the_defaults() -> None:
    low, high = region.THAI_BAND
    frequencies = [channel.frequency for channel in region.THAI_CHANNELS]
    assert len(set(frequencies)) == 10
    assert all(low < frequency < high for frequency in frequencies)
    assert tuple(region.THAI_CHANNELS[:2]) == region.DEFAULT_CHANNELS
    assert frequencies[:8] == [923_200_000 + 200_000 * number for number in range(8)]
    assert {region.RX2_FREQUENCY, region.PING_SLOT_FREQUENCY} <= set(frequencies)


def test_power_goes_down_by_two_decibels() -> None:
    assert [tx_power(index) for index in range(8)] == [16, 14, 12, 10, 8, 6, 4, 2]


def test_what_the_region_does_not_know_is_refused() -> None:
    for index in (-1, 8):
        with pytest.raises(ValueError, match="data rate"):
            max_payload(index, dwell=False)
        with pytest.raises(ValueError, match="data rate"):
            rx1_data_rate(index)
        with pytest.raises(ValueError, match="TXPower"):
            tx_power(index)
        with pytest.raises(ValueError, match="RX1DROffset"):
            rx1_data_rate(2, offset=index)
