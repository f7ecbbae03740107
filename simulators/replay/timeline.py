"""When each record is sent, and which times it then says."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from datetime import datetime

from khaen.capture import Record
from khaen.clock import Clock


class Shift(enum.StrEnum):
    """Which times the replayed traffic has."""

    NOW = "now"
    """As if it happened while it is sent."""
    KEEP = "keep"
    """Its own."""


class Timeline:
    """Maps recorded times. `speed` is 1 for real time, N for N times that, infinite for at once.

    Whatever runs backwards is sent at once, in its order.
    """

    def __init__(self, clock: Clock, *, speed: float = 1.0, shift: Shift = Shift.NOW) -> None:
        self._clock, self._speed, self._shift = clock, speed, shift
        self._first: datetime | None = None
        self._began = clock.monotonic()

    def restart(self) -> None:
        """Begin a further pass: the next record is due now."""
        self._first = None

    def due(self, record: Record) -> float:
        """The seconds until this record is to be sent, 0 where it is due."""
        now = self._clock.monotonic()
        if self._first is None:
            self._first, self._began = record.at, now
        if math.isinf(self._speed):
            return 0.0
        offset = (record.at - self._first).total_seconds() / self._speed
        return max(0.0, self._began + offset - now)

    def mover(self, record: Record, now: datetime) -> Callable[[datetime], datetime]:
        """The times of this record when it is sent at `now`: what was late stays late."""
        if self._shift is Shift.KEEP:
            return lambda at: at
        pace = 1.0 if math.isinf(self._speed) else self._speed

        def move(at: datetime) -> datetime:
            return now - (record.at - at) / pace

        return move
