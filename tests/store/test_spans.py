"""Sets of numbers as ranges, against Python's own sets; and accounts built on them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from khaen.ids import Epoch, GatewayEui
from store import spans
from store.account import Account
from tests.support.receipts import cover

ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=20)


def numbers(found: spans.Spans) -> set[int]:
    return {n for first, last in found for n in range(first, last + 1)}


def is_canonical(found: spans.Spans) -> bool:
    return all(a <= b for a, b in found) and all(
        left[1] + 1 < right[0] for left, right in pairwise(found)
    )


@given(ranges)
def test_add_is_union(added: list[tuple[int, int]]) -> None:
    found: spans.Spans = ()
    wanted: set[int] = set()
    for first, length in added:
        found = spans.add(found, first, first + length)
        wanted |= set(range(first, first + length + 1))
    assert numbers(found) == wanted
    assert is_canonical(found)
    assert all(spans.holds(found, n) == (n in wanted) for n in range(72))
    assert spans.count(found, 10, 30) == len(wanted & set(range(10, 31)))
    assert spans.gather(sorted(wanted)) == found
    assert spans.unite([(f, f + n) for f, n in added]) == found


def account() -> Account:
    return Account(GatewayEui("0" * 16), Epoch("e" * 16), first_at=0)


@given(ranges)
def test_an_account_settles_each_number_once(added: list[tuple[int, int]]) -> None:
    found, wanted, counted = account(), set[int](), 0
    for first, length in added:
        counted += found.settle(first, first + length)
        wanted |= set(range(first, first + length + 1))
    assert counted == len(wanted)
    assert all(found.settles(n) == (n in wanted) for n in range(1, 72))
    assert all(n in wanted for n in range(1, found.watermark + 1))
    assert found.watermark + 1 not in wanted


@given(st.sets(st.integers(1, 400)))
def test_a_receipt_is_what_the_contract_says_of_the_numbers(settled: set[int]) -> None:
    found = account()
    for number in sorted(settled):
        found.settle(number, number)
    expected = cover(found.epoch, 0, sorted(settled), conflict=False)
    receipt = found.receipt()
    assert [receipt.settles(n) for n in range(1, receipt.upto + 1)] == [
        expected.settles(n) for n in range(1, expected.upto + 1)
    ]
    assert receipt.watermark == found.watermark
    assert all(receipt.settles(n) <= (n in settled) for n in range(1, 402))
