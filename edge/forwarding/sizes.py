"""What a broker takes at most that does not say so: it ends each connection on a larger message.

MQTT 3.1.1 has no word for it, and a broker of MQTT 5 may keep its bound to itself.
"""

from __future__ import annotations

from typing import Final

from khaen.clock import Clock

_ENDS: Final = 3
"""So many connections in a row that ended with the same message unanswered: it is too large."""
_LEAST: Final = 4096
"""A smaller one (bytes) is never suspected: what an agent says of itself takes as much."""
_FORGET_S: Final = 3600.0
"""So long a bound is believed: the link may have been poor, and a broker is set otherwise."""
_Sent = tuple[int, int]


class Sizes:
    """Watches the large messages that are on their way; sizes in bytes, of topic and payload."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unanswered: dict[_Sent, tuple[int, int]] = {}
        self._suspect: tuple[int, int] | None = None
        self._ends = 0
        self._largest, self._since = float("inf"), 0.0

    @property
    def largest(self) -> float:
        """The most that may be sent."""
        if self._clock.monotonic() - self._since > _FORGET_S:
            self._largest = float("inf")
        return self._largest

    def sent(self, sent: _Sent, position: int, size: int) -> None:
        """A record was handed over."""
        if size >= _LEAST:
            self._unanswered[sent] = size, position

    def answered(self, sent: _Sent) -> None:
        """There is an answer to it."""
        self._unanswered.pop(sent, None)

    def end(self) -> None:
        """The connection is over."""
        if not self._unanswered:
            return
        worst = max(self._unanswered.values())
        self._unanswered.clear()
        self._ends = self._ends + 1 if worst == self._suspect else 1
        self._suspect = worst
        if self._ends >= _ENDS:
            self._largest, self._since, self._ends = worst[0] - 1, self._clock.monotonic(), 0
