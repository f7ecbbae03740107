"""Numbers of a replay: without holes, in the order of their dates, the same for the same."""

from collections import defaultdict
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from khaen.uplink import Number
from simulators.replay.numbers import Numbers
from tests.simulators.replay.traffic import EPOCH, GATEWAY, after
from tests.support.site import GATEWAYS


@given(heard=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1000)), max_size=60))
def test_numbers_have_no_holes_and_agree_with_dates(heard: list[tuple[int, float]]) -> None:
    numbers, given_by = Numbers("run"), defaultdict(list)
    for index, seconds in heard:
        number = numbers.give(GATEWAYS[index], None, after(seconds))
        given_by[GATEWAYS[index], number.epoch].append((number.seq, seconds))
    for given_ in given_by.values():
        assert [seq for seq, _ in given_] == list(range(1, len(given_) + 1))
        newest = 0.0
        for _, seconds in given_:
            assert newest - seconds <= 5.0  # ingest.dating: more would contradict the number
            newest = max(newest, seconds)


def test_two_streams_of_one_gateway_take_two_epochs() -> None:
    numbers = Numbers("run")
    live = [numbers.give(GATEWAY, None, after(3600 + n)).epoch for n in range(0, 600, 10)]
    late = [numbers.give(GATEWAY, None, after(n)).epoch for n in range(0, 600, 10)]
    mixed = [numbers.give(GATEWAY, None, after(n)).epoch for n in (4300, 700, 4310, 710)]
    assert len({*live, *late, *mixed}) == 2


def test_what_was_sent_twice_has_one_number() -> None:
    numbers, recorded = Numbers("run"), Number(epoch=EPOCH, seq=7)
    first = numbers.give(GATEWAY, recorded, after(0))
    assert numbers.give(GATEWAY, recorded, after(3600)) == first
    assert numbers.find(GATEWAY, recorded) == first
    assert numbers.find(GATEWAYS[1], recorded) is None
    assert numbers.give(GATEWAYS[1], recorded, after(0)) != first
    assert Numbers("another").give(GATEWAY, recorded, after(0)).epoch != first.epoch
    assert Numbers("run").give(GATEWAY, recorded, after(0)) == first
    assert numbers.give(GATEWAY, None, after(9) + timedelta(1)).seq == 2
