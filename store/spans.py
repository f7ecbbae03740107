"""Sets of whole numbers as closed ranges: ascending, disjoint, never adjacent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

Span = tuple[int, int]
Spans = tuple[Span, ...]


def add(spans: Spans, first: int, last: int) -> Spans:
    """The set with `first`..`last` in it."""
    if not spans or first > spans[-1][1] + 1:
        return (*spans, (first, last))
    left = bisect_left(spans, first, key=lambda span: span[1] + 1)
    right = left
    while right < len(spans) and spans[right][0] <= last + 1:
        first, last = min(first, spans[right][0]), max(last, spans[right][1])
        right += 1
    return (*spans[:left], (first, last), *spans[right:])


def holds(spans: Spans, number: int) -> bool:
    """Whether the number is in the set."""
    at = bisect_left(spans, number, key=lambda span: span[1])
    return at < len(spans) and spans[at][0] <= number


def count(spans: Spans, first: int, last: int) -> int:
    """How many numbers of `first`..`last` are in the set."""
    at = bisect_left(spans, first, key=lambda span: span[1])
    found = 0
    while at < len(spans) and spans[at][0] <= last:
        found += min(spans[at][1], last) - max(spans[at][0], first) + 1
        at += 1
    return found


def gather(numbers: Iterable[int]) -> Spans:
    """The set of numbers that come in ascending order."""
    found: list[Span] = []
    for number in numbers:
        if found and number <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], number))
        else:
            found.append((number, number))
    return tuple(found)


def unite(*sets: Iterable[Span]) -> Spans:
    """The set of all numbers in any of the sets."""
    found: list[Span] = []
    for first, last in sorted(span for spans in sets for span in spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)
