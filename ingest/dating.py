"""When a frame was heard, and how well that is known.

Nothing is dated later than its arrival (+5 s). A live frame whose date is over 60 s off is dated by
its arrival, and its gateway's clock is an alarm. A late frame whose date contradicts the order of
its gateway's numbers was heard somewhere between.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from khaen.clock import Rung, to_micros
from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Way
from khaen.wire import Heard

AHEAD = timedelta(seconds=5)
OFF = timedelta(seconds=60)
_TOLERANCE = timedelta(seconds=5)
"""By how much the dates of consecutive numbers may step back: clocks are slewed and stepped."""
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Dated:
    """`until` closes the span of the rung `between`; `wrong` says that the clock is an alarm."""

    at: datetime
    clock: Rung
    until: datetime | None = None
    wrong: bool = False

    @property
    def micros(self) -> int:
        """`at` in microseconds since 1970."""
        return to_micros(self.at)


class Dating:
    """Dates what gateways send. Remembers the last date of each gateway's epoch."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[GatewayEui, Epoch], tuple[int, datetime]] = OrderedDict()

    def date(self, heard: Heard, way: Way, arrived: datetime, *, settled: bool) -> Dated:
        """When the frame was heard. `settled` says that the connection is past its first rush."""
        at = heard.at
        if at is None:
            return _by_arrival(way, arrived, settled=settled)
        if heard.clock is Rung.BETWEEN:
            start, end = min(at, arrived), min(heard.until or arrived, arrived)
            return Dated(start, Rung.BETWEEN, max(start, end))
        if way is Way.LIVE:
            return _live(heard.clock, at, arrived, settled=settled)
        if at > arrived + AHEAD:
            return Dated(arrived, Rung.BETWEEN, arrived)
        return self._in_order(heard, at)

    def _in_order(self, heard: Heard, at: datetime) -> Dated:
        number = heard.number
        if number is None:
            return Dated(at, heard.clock)
        key = heard.gateway_eui, number.epoch
        last = self._last.get(key)
        if last is not None:
            seq, other = last
            back = other - at if number.seq > seq else at - other
            if number.seq != seq and back > _TOLERANCE:
                return Dated(min(at, other), Rung.BETWEEN, max(at, other))
        self._last[key] = number.seq, at
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return Dated(at, heard.clock)


def _by_arrival(way: Way, arrived: datetime, *, settled: bool) -> Dated:
    if way is Way.LIVE and settled:
        return Dated(arrived, Rung.ARRIVAL)
    return Dated(arrived, Rung.BETWEEN, arrived)


def _live(clock: Rung, at: datetime, arrived: datetime, *, settled: bool) -> Dated:
    if at > arrived + AHEAD:
        return Dated(arrived, Rung.ARRIVAL, wrong=at - arrived > OFF)
    # What waited at the broker while nobody listened is old by right.
    if settled and arrived - at > OFF:
        return Dated(arrived, Rung.ARRIVAL, wrong=True)
    return Dated(at, clock)
