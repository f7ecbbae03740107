"""Time: aware UTC, injected, and the rung of the clock that dated a frame.

Durations are measured by the monotonic clock. On the wire a time is RFC 3339 with microseconds
and `Z`; in the ledger it is whole microseconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import enum
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
_LEAP_SECONDS = timedelta(seconds=18)
"""GPS minus UTC since 2017-01-01 (IERS Bulletin C); no further one is announced."""
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


class Rung(enum.StrEnum):
    """How a reception was dated, best first."""

    GPS = "gps"
    SYNCED = "synced"
    BOOT = "boot"
    BETWEEN = "between"
    NETWORK = "network"
    ARRIVAL = "arrival"


class Clock(Protocol):
    """What a room asks for time; tests and virtual runs inject their own."""

    def now(self) -> datetime:
        """The time of day, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""


class SystemClock:
    """The host's clocks."""

    def now(self) -> datetime:
        """The host's time of day."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """The host's monotonic clock in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to: virtual time."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """The virtual time of day."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed.total_seconds()

    def advance(self, seconds: float) -> None:
        """Go on by `seconds` ≥ 0. Raises ValueError when asked to go back."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._elapsed += timedelta(seconds=seconds)


def to_micros(at: datetime) -> int:
    """Whole microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC time of whole microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def to_gps(at: datetime) -> timedelta:
    """GPS time of an aware time: since 1980-01-06, leap seconds counted."""
    return at - _GPS_EPOCH + _LEAP_SECONDS


def from_gps(since: timedelta) -> datetime | None:
    """The aware UTC time of a GPS time; None where it is out of range."""
    try:
        return _GPS_EPOCH + since - _LEAP_SECONDS
    except OverflowError:
        return None


def format_time(at: datetime) -> str:
    """RFC 3339 with microseconds and `Z`, as every time on the wire."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The aware UTC time of an RFC 3339 text of up to nanoseconds (cut to microseconds).

    Raises ValueError for anything else, a time without zone included.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time with a zone")
    day, second, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    micros = (fraction or "0").ljust(6, "0")[:6]
    try:
        return datetime.fromisoformat(f"{day}T{second}.{micros}{zone}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error
