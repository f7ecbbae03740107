"""Waiting until all that was heard is receipted: before a card is swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from edge.desk.summary import span
from edge.health.condition import Condition

_STEADY_S: Final = 3.0
"""A rate is told once there was so much time to measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is. `rate` in records/s and `left_s` are None while they cannot be told."""

    left: int
    done: bool = False
    rate: float | None = None
    left_s: float | None = None

    def __str__(self) -> str:
        text = f"{self.left} records without receipt"
        if self.rate is not None:
            text += f", {self.rate:.0f}/s"
        if self.left_s is not None:
            text += f", {span(self.left_s)} left"
        return text


def watch(
    ask: Callable[[], Condition], monotonic: Callable[[], float], timeout_s: float
) -> Iterator[Progress]:
    """How far it is at each step; the last one is `done`, unless the time was over.

    Whoever iterates waits between the steps. Raises what `ask` raises.
    """
    begin, condition = monotonic(), ask()
    first = _count(condition)
    while True:
        elapsed = monotonic() - begin
        progress = _estimate(first, condition, elapsed)
        yield progress
        if progress.done or elapsed >= timeout_s:
            return
        condition = ask()


def _count(condition: Condition) -> int:
    return sum(part.status.backlog for part in condition.gateways)


def _estimate(first: int, condition: Condition, elapsed: float) -> Progress:
    left = _count(condition)
    gone = first - left
    if left == 0:  # a gateway whose outbox does not answer is among the faults only
        return Progress(left=0, done=not condition.faults)
    if elapsed < _STEADY_S or gone <= 0:
        return Progress(left=left)
    rate = gone / elapsed
    return Progress(left=left, rate=rate, left_s=left / rate)


def list_remaining(condition: Condition) -> Iterator[str]:
    """What is still without receipt, and why it may be."""
    for part in condition.gateways:
        status = part.status
        if status.backlog:
            age = "" if part.oldest_s is None else f", the oldest {span(part.oldest_s)} old"
            yield f"{part.gateway}: {status.backlog} records{age}; broker: {status.broker}"
    yield from condition.faults
