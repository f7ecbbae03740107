"""When a frame was heard: the ladder of clocks, best rung first (docs/wire.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge.host import Host
from edge.record import Instant, Record
from khaen.clock import Clock, Rung, from_micros, to_micros

FLOOR = datetime(2024, 1, 1, tzinfo=UTC)
"""No frame was heard before this: clocks that say so have not been set."""
CEILING = datetime(2100, 1, 1, tzinfo=UTC)
"""Nor from this on."""
MAX_GPS_OFFSET = timedelta(seconds=30)
"""A satellite time further than this from what a synchronised clock said is not believed."""
_STEADY_US = 1_000_000
"""An offset that is this near to the known one is the same: copies of a frame have one date."""
_CHECK_S = 1.0
"""The kernel is asked for its clock's state once in this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Date:
    """A record's date as it is sent; `at` is None on the rung `arrival` only."""

    clock: Rung
    at: datetime | None = None
    until: datetime | None = None


class Dating:
    """Dates what is heard now, and afterwards what was heard while no clock was true."""

    def __init__(self, clock: Clock, host: Host, *, trust: bool) -> None:
        self._clock, self._host, self._trust = clock, host, trust
        self._checked = float("-inf")
        self._synced = trust
        self.offsets: dict[str, int] = {}
        """Of each boot with a true time: time of day minus boot time, in microseconds."""
        self._sure = False  # whether a synchronised clock has said that of this boot

    @property
    def boot_id(self) -> str:
        """This boot."""
        return self._host.boot_id

    def synced(self) -> bool:
        """Whether the host's clock is true."""
        if self._clock.monotonic() - self._checked >= _CHECK_S:
            self._checked = self._clock.monotonic()
            self._synced = self._trust or self._host.synchronised()
            if self._synced:
                self._learn(self._clock.now(), self._host.boot_us())
                self._sure = True
        return self._synced

    def _learn(self, at: datetime, boot_us: int) -> None:
        offset = to_micros(at) - boot_us
        known = self.offsets.get(self.boot_id)
        if known is None or abs(offset - known) > _STEADY_US:
            self.offsets[self.boot_id] = offset

    def hear(self, satellite: datetime | None = None, *, waited_s: float = 0.0) -> Instant:
        """The instant of something heard so long ago; `satellite` is a receiver's time, if any."""
        boot_us = max(0, self._host.boot_us() - round(waited_s * 1_000_000))
        at, rung = None, None
        if self.synced():
            at, rung = self._clock.now() - timedelta(seconds=waited_s), Rung.SYNCED
        if satellite is not None and self._believable(satellite, boot_us):
            at, rung = satellite, Rung.GPS
            if not self._sure:
                self._learn(satellite, boot_us)
        return Instant(boot_id=self.boot_id, boot_us=boot_us, at=at, clock=rung)

    def _believable(self, satellite: datetime, boot_us: int) -> bool:
        if not FLOOR <= satellite < CEILING:
            return False
        if not self._sure:
            return True
        said = from_micros(boot_us + self.offsets[self.boot_id])
        return abs(satellite - said) <= MAX_GPS_OFFSET

    def pending(self, record: Record) -> bool:
        """Whether the record's date may still become better than a span, if one waits."""
        instant = record.instant
        return (
            instant.clock is None and instant.boot_id == self.boot_id and not self._knows(instant)
        )

    def _knows(self, instant: Instant) -> bool:
        self.synced()
        return instant.boot_id in self.offsets

    def date(self, record: Record, *, live: bool) -> Date:
        """The best date there is now."""
        instant = record.instant
        if instant.clock is not None:
            return Date(clock=instant.clock, at=instant.at)
        if self._knows(instant):
            micros = instant.boot_us + self.offsets[instant.boot_id]
            # An offset comes from a disk, which may have changed it: that costs no frame.
            if to_micros(FLOOR) <= micros < to_micros(CEILING):
                return Date(clock=Rung.BOOT, at=from_micros(micros))
        if live:
            return Date(clock=Rung.ARRIVAL)
        at = record.after or FLOOR
        # A clock that is not known to be true says nothing of the end: that is then the arrival.
        end = record.before or (self._clock.now() if self._synced else None)
        return Date(clock=Rung.BETWEEN, at=at, until=None if end is None else max(at, end))
