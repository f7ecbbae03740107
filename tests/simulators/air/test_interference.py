"""Which frame survives which other, by the published ratios."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.air.interference import CAPTURE, REQUIRED_SIR, survives

spreading_factors = st.integers(7, 12)


@pytest.mark.parametrize("sf", range(7, 13))
def test_of_equals_the_one_6_db_stronger_survives(sf: int) -> None:
    assert survives(-100.0, sf, [(-106.01, sf, 1.0)])
    assert not survives(-100.0, sf, [(-105.9, sf, 1.0)])


@pytest.mark.parametrize(
    ("own", "other", "ratio"), [(7, 8, -8), (7, 12, -9), (10, 7, -19), (12, 7, -25), (12, 11, -23)]
)
def test_other_spreading_factors_may_be_stronger_by_what_croce_found(
    own: int, other: int, ratio: float
) -> None:
    assert survives(-100.0, own, [(-100.01 - ratio, other, 1.0)])
    assert not survives(-100.0, own, [(-99.9 - ratio, other, 1.0)])


def test_a_short_overlap_weighs_less() -> None:
    assert not survives(-100.0, 7, [(-100.0, 7, 1.0)])
    assert survives(-100.0, 7, [(-100.0, 7, 0.1)])


def test_many_weak_ones_add_up() -> None:
    weak = (-108.0, 9, 1.0)
    assert survives(-100.0, 9, [weak])
    assert not survives(-100.0, 9, [weak] * 2)


def test_alone_everything_survives() -> None:
    assert survives(-140.0, 12, [])


@given(spreading_factors, spreading_factors, st.floats(-140, -30), st.floats(-140, -30))
def test_two_of_one_spreading_factor_never_both_survive(
    own: int, other: int, one: float, two: float
) -> None:
    both = survives(one, own, [(two, other, 1.0)]) and survives(two, other, [(one, own, 1.0)])
    if own == other:
        assert not both
    assert REQUIRED_SIR[own, own] == CAPTURE
