"""Which 32-bit counters a 16-bit one may stand for."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from khaen.lorawan.counter import candidates

halves = st.integers(0, 0xFFFF)
references = st.integers(0, 0xFFFF_FFFF)


@pytest.mark.parametrize(
    ("f_cnt16", "reference", "expected"),
    [
        (0x0005, 0x0000_0004, [0x0000_0005, 0x0001_0005]),
        (0x0003, 0x0001_FFFE, [0x0002_0003, 0x0001_0003, 0x0000_0003]),
        (0xFFFE, 0x0002_0003, [0x0001_FFFE, 0x0002_FFFE, 0x0003_FFFE, 0x0000_FFFE]),
        (0x0100, 0x0005_00FF, [0x0005_0100, 0x0006_0100, 0x0004_0100, 0x0000_0100]),
        (0xFFFF, 0x0000_0000, [0x0000_FFFF, 0x0001_FFFF]),
        (0x0000, 0xFFFF_FFFF, [0xFFFF_0000, 0xFFFE_0000, 0x0000_0000]),
    ],
)
def test_likeliest_first(f_cnt16: int, reference: int, expected: list[int]) -> None:
    assert list(candidates(f_cnt16, reference)) == expected


def test_without_a_reference_sixteen_high_halves_from_zero() -> None:
    assert list(candidates(7, None)) == [(high << 16) + 7 for high in range(16)]
    assert list(candidates(0xFFFF, None))[-1] == 0xF_FFFF


@given(f_cnt16=halves, reference=st.one_of(st.none(), references))
@example(f_cnt16=0, reference=0xFFFF_FFFF)
@example(f_cnt16=0xFFFF, reference=0)
def test_no_candidate_twice_and_all_in_range(f_cnt16: int, reference: int | None) -> None:
    found = list(candidates(f_cnt16, reference))
    assert len(found) == len(set(found)) <= 16
    assert all(0 <= one <= 0xFFFF_FFFF and one & 0xFFFF == f_cnt16 for one in found)


@given(f_cnt16=halves, reference=references)
def test_own_half_its_neighbours_and_zero_are_all_tried(f_cnt16: int, reference: int) -> None:
    own = reference >> 16
    highs = {one >> 16 for one in candidates(f_cnt16, reference)}
    assert highs == {high for high in (own - 1, own, own + 1, 0) if 0 <= high <= 0xFFFF}


@given(reference=references, step=st.integers(-0x7FFF, 0x8000))
def test_a_counter_near_the_reference_comes_first(reference: int, step: int) -> None:
    true = reference + step
    if 0 <= true <= 0xFFFF_FFFF:
        assert list(islice(candidates(true & 0xFFFF, reference), 1)) == [true]


@pytest.mark.parametrize(
    ("f_cnt16", "reference"), [(-1, None), (0x1_0000, None), (0, -1), (0, 2**32)]
)
def test_what_is_no_counter_is_refused(f_cnt16: int, reference: int | None) -> None:
    with pytest.raises(ValueError, match="no"):
        candidates(f_cnt16, reference)
