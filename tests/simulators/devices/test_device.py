from itertools import pairwise
from random import Random

from simulators.devices.device import repeat_ages


def test_a_call_is_repeated_each_10_to_15_seconds_for_3_minutes() -> None:
    ages = list(repeat_ages(Random(3)))
    gaps = [later - earlier for earlier, later in pairwise(ages)]
    assert ages[0] == 0.0
    assert all(10.0 <= gap <= 15.0 for gap in gaps)
    assert 165.0 <= ages[-1] < 180.0
