"""Which codecs are left alone for a while, because they stopped the engine too often."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

STRIKES = 3
WINDOW_S = 600.0
"""So many stops within this time, in seconds, put a codec into quarantine."""
FIRST_S = 60.0
LONGEST_S = 3600.0
"""The first quarantine's length in seconds; it doubles with each that follows, up to the last."""


@dataclass(slots=True, kw_only=True)
class _Record:
    strikes: deque[float] = field(default_factory=lambda: deque(maxlen=STRIKES))
    until: float = 0.0
    length: float = 0.0


class Quarantine:
    """Times are seconds of a monotonic clock, given by the caller."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def holds(self, codec: str, now: float) -> bool:
        """Whether that codec is in quarantine."""
        record = self._records.get(codec)
        return record is not None and now < record.until

    def strike(self, codec: str, now: float) -> float:
        """Note that it stopped the engine; the seconds of quarantine that follow, mostly 0.

        After a quarantine one more stop is enough for the next, until it went well for as long
        as the window and the last quarantine together.
        """
        record = self._records.setdefault(codec, _Record())
        if record.length and now > record.until + WINDOW_S + record.length:
            record.length = 0.0
        record.strikes.append(now)
        full = len(record.strikes) == STRIKES and now - record.strikes[0] <= WINDOW_S
        if not full and not record.length:
            return 0.0
        record.length = min(record.length * 2 or FIRST_S, LONGEST_S)
        record.until = now + record.length
        record.strikes.clear()
        return record.length

    def held(self, now: float) -> tuple[str, ...]:
        """The codecs that are in quarantine, sorted."""
        return tuple(sorted(codec for codec in self._records if self.holds(codec, now)))
