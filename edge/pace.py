"""How fast the backlog goes: as fast as the broker answers, and no faster than is allowed.

What is late must not make late what is live. Both share one link, so its queue is kept short: the
rate falls by half when answers take longer than the quickest did and a target besides, and grows
again by what is answered in time. So does LEDBAT (RFC 6817), whose target is 100 ms; the larger one
here bears with the jitter of mobile links and leaves a live frame most of its time.
"""

from __future__ import annotations

from khaen.clock import Clock

_TARGET_S = 0.25
_LEAST = 10.0
"""Frames a second on the worst of links …"""
_FIRST = 100.0
"""… and before anything is known of it."""
_HALVE_S = 1.0
"""The rate is halved this often at most: what was sent at the old one is still being answered."""
_BURST_S = 0.1
"""So much of the rate may be saved up."""


class Pace:
    """Frames a second, `most` at most; times are seconds of the monotonic clock."""

    def __init__(self, most: float, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._least = min(_LEAST, most)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another connection, of which nothing is known."""
        self.rate = min(_FIRST, self._most)
        self._quickest = float("inf")
        self._halved_at = float("-inf")
        self._saved, self._saved_at = self._most_saved(), self._clock.monotonic()

    def answered(self, took: float) -> None:
        """The broker's answer took so long."""
        now = self._clock.monotonic()
        self._quickest = min(self._quickest, took)
        if took <= self._quickest + _TARGET_S:
            self.rate = min(self._most, self.rate + 1.0)
        elif now - self._halved_at >= _HALVE_S:
            self.rate = max(self._least, self.rate / 2)
            self._halved_at = now

    def allowance(self) -> int:
        """How many may go now."""
        now = self._clock.monotonic()
        saved = self._saved + (now - self._saved_at) * self.rate
        self._saved, self._saved_at = min(self._most_saved(), saved), now
        return int(self._saved)

    def _most_saved(self) -> float:
        return max(1.0, self.rate * _BURST_S)

    def spend(self) -> None:
        """One goes."""
        self._saved -= 1
