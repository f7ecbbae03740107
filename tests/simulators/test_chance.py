import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.chance import gauss, make_key, uniform

KEY = make_key(1, "fade", "024b4b0000000001")


@given(st.binary(max_size=16), st.integers(0, 2**63))
def test_numbers_stay_in_their_range(key: bytes, number: int) -> None:
    assert 0.0 <= uniform(key, number) < 1.0
    assert math.isfinite(gauss(key, number))


def test_key_and_number_decide_alone() -> None:
    assert uniform(KEY, 7) == uniform(KEY, 7)
    assert uniform(KEY, 7) != uniform(KEY, 8)
    assert uniform(KEY, 7) != uniform(make_key(2, "fade", "024b4b0000000001"), 7)
    assert make_key(1, "a", "b") != make_key(1, "ab")


def test_normal_distribution() -> None:
    drawn = [gauss(KEY, number) for number in range(20_000)]
    mean = sum(drawn) / len(drawn)
    spread = math.sqrt(sum(value * value for value in drawn) / len(drawn))
    assert mean == pytest.approx(0.0, abs=0.03)
    assert spread == pytest.approx(1.0, abs=0.02)
    within = sum(abs(value) < 1 for value in drawn) / len(drawn)
    assert within == pytest.approx(0.6827, abs=0.015)
