"""How fast the backlog goes: as fast as the broker answers, and no faster than is allowed.

What is late must not make late what is live. Both share one link, so its queue is kept short, as
LEDBAT keeps it (RFC 6817, section 2.4.2): fewer messages are on their way while answers take longer
than the quickest did and a target besides, and more while they do not. Its target is 100 ms; the
larger one here bears with the jitter of mobile links, and leaves a live frame most of its time.
"""

from __future__ import annotations

from khaen.clock import Clock

_TARGET_S = 0.25
_FIRST = 8.0
"""Messages on their way before anything is known of the link."""
_BURST_S = 0.1
"""So much of the rate may be saved up."""


class Pace:
    """At most `rate` frames a second and `most` on their way; times are seconds of the monotonic
    clock.
    """

    def __init__(self, rate: float, most: int, clock: Clock) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another connection, of which nothing is known."""
        self._window = min(_FIRST, self._most)
        self._quickest = float("inf")
        self._saved, self._saved_at = self._most_saved(), self._clock.monotonic()

    @property
    def window(self) -> int:
        """How many messages may be on their way."""
        return int(self._window)

    def answered(self, took: float) -> None:
        """The broker's answer took so long."""
        self._quickest = min(self._quickest, took)
        spare = (_TARGET_S - (took - self._quickest)) / _TARGET_S
        grown = self._window + max(spare, -self._window / 2) / self._window
        self._window = min(max(1.0, grown), self._most)

    def allowance(self) -> int:
        """How many may go now by the rate."""
        now = self._clock.monotonic()
        saved = self._saved + (now - self._saved_at) * self._rate
        self._saved, self._saved_at = min(self._most_saved(), saved), now
        return int(self._saved)

    def _most_saved(self) -> float:
        return max(1.0, self._rate * _BURST_S)

    def spend(self) -> None:
        """One goes."""
        self._saved -= 1
