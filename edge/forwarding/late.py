"""What could not go live: in order, at a measured pace, and again until it is receipted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from edge.dating import Dating
from edge.forwarding.flights import Flight
from edge.forwarding.sender import Sender, TooLarge
from edge.outbox.writer import Writer
from edge.record import Record
from edge.settings import ForwardSettings
from khaen import log
from khaen.clock import Clock
from khaen.errors import DecodeError, StoreUnavailable
from khaen.uplink import Number

_log = log.logger()
T = TypeVar("T")
_DATE_WAIT_S = 60.0
"""Dating afterwards waits this long after connecting, at most (docs/wire.md)."""
_PAGE = 128


class _Line:
    """Records with or without priority, read from the outbox page by page."""

    def __init__(self) -> None:
        self.page: deque[Record] = deque()
        self.after = 0
        self.exhausted = False

    def go_back(self, position: int) -> None:
        """Read again from a position on."""
        self.page.clear()
        self.after = min(self.after, position - 1)
        self.exhausted = False


class Late:
    """Feeds the sender from the outbox, but for the numbers that `is_known` takes care of."""

    def __init__(
        self,
        settings: ForwardSettings,
        writer: Writer,
        sender: Sender,
        dating: Dating,
        clock: Clock,
        is_known: Callable[[Number], bool],
    ) -> None:
        self._settings, self._writer, self._sender = settings, writer, sender
        self._dating, self._clock, self._is_known = dating, clock, is_known
        self._busy = False
        self._damaged = writer.outbox.damaged
        self._bringing = writer.outbox.bringing
        self.begin_anew()

    def begin_anew(self) -> None:
        """Read the outbox from its beginning."""
        self._lines = {True: _Line(), False: _Line()}
        self._unwritable: set[int] = set()
        """Positions of records that cannot be sent, ever."""
        self.too_large = 0
        """How many were passed over in this connection, because the broker takes none so large."""
        self._passed: dict[bool, int] = {}
        """The lowest position of them, with priority and without."""
        self._largest = self._sender.largest

    def look_again(self, *, priority: bool, position: int) -> None:
        """A record that was passed over is to be found again."""
        self._lines[priority].go_back(position)

    @property
    def hungry(self) -> bool:
        """Whether records are at hand that only wait for room."""
        return any(line.page for line in self._lines.values())

    @property
    def exhausted(self) -> bool:
        """Whether the outbox was read to its end, and all of it is on its way."""
        return all(line.exhausted and not line.page for line in self._lines.values())

    def ran_dry(self) -> bool:
        """True once after all that was late has been receipted."""
        dry = self._busy and not self._sender.flights.late and self.exhausted
        self._busy = self._busy and not dry
        return dry

    # -- again --------------------------------------------------------------

    async def resend(self) -> None:
        """Send again what had no receipt in time, as far as there is room."""
        flights = self._sender.flights
        again: list[Flight] = []
        for flight in flights.due(self._clock.monotonic()):
            if flight.late:
                again.append(flight)
            else:
                # A live frame becomes a late one: it takes its turn, and its place in the window.
                flights.remove(flight.number)
                flight.late = True
                if self._window_left(flight.priority) > 0:
                    flights.add(flight)
                    again.append(flight)
                else:
                    self.look_again(priority=flight.priority, position=flight.position)
        again = again[: min(self._sender.room(late=True), self._sender.pace.allowance())]
        if again:
            await self._send_again({flight.number: flight for flight in again})

    async def _send_again(self, again: dict[Number, Flight]) -> None:
        records = await self._ask(partial(self._writer.outbox.fetch, list(again)))
        if records is None:
            return
        for record in records:
            flight = again.pop(record.number)
            if flight.number not in self._sender.flights:
                continue  # settled, or the connection is another, meanwhile
            passed = self._send(record, tries=flight.tries + 1)
            if passed and self._sender.flights.get(flight.number) is flight:
                self._sender.flights.remove(flight.number)  # not sent: it cannot be
        for number in again:
            self._sender.flights.remove(number)  # settled in the outbox, or shed

    # -- from the outbox ----------------------------------------------------

    async def feed(self) -> None:
        """Send what the outbox holds and is not on its way, priority first."""
        self._look_at_bound()
        self._look_at_brought()
        for priority, line in list(self._lines.items()):
            await self._feed(line, priority=priority)
        await self._give_up()

    def _look_at_bound(self) -> None:
        """Find again what was too large, once more may be sent than when it was passed over."""
        former, self._largest = self._largest, self._sender.largest
        if self._largest > former:
            passed, self._passed, self.too_large = self._passed, {}, 0
            for priority, position in passed.items():
                self.look_again(priority=priority, position=position)

    def _look_at_brought(self) -> None:
        """Find calls that were brought from a damaged file; they lie before what was read, and do
        not wait for the rest of it.
        """
        former, self._bringing = self._bringing, self._writer.outbox.bringing
        if self._bringing != former:
            self.look_again(priority=True, position=1)

    async def _give_up(self) -> None:
        """Have it said that what cannot be sent is gone, and find what the outbox says of that."""
        if self._unwritable:
            given_up, self._unwritable = self._unwritable, set()
            if await self._ask(partial(self._writer.outbox.declare_damaged, given_up)) is None:
                self._unwritable |= given_up
        if self._damaged != self._writer.outbox.damaged:
            self._damaged = self._writer.outbox.damaged
            self._lines[False].exhausted = False

    async def _feed(self, line: _Line, *, priority: bool) -> None:
        while self._lines[priority] is line:
            while line.page:
                if not self._feed_one(line.page[0]):
                    return
                line.after = line.page.popleft().position
            if line.exhausted or not self._window_left(priority):
                return
            after = line.after
            records = await self._ask(
                partial(self._writer.outbox.page, priority=priority, after=after, limit=_PAGE)
            )
            if records is None:
                return
            if line.after == after:
                line.page.extend(records)
                line.exhausted = not records

    def _feed_one(self, record: Record) -> bool:
        """Send one record or pass over it; False to come back to it later."""
        if self._is_known(record.number):
            return True
        if self._sender.connected_at is None or self._waits_for_date(record):
            return False
        if not record.priority and self._sender.awaits_live(record.position):
            return False
        if self._sender.pace.allowance() < 1 or not self._window_left(record.priority):
            return False
        return self._send(record)

    def _send(self, record: Record, *, tries: int = 1) -> bool:
        """Send a record by the backlog; True also where that cannot be."""
        try:
            sent = self._sender.send(record, tries=tries)
        except DecodeError as error:
            _log.error("record_unwritable", number=record.number.seq, reason=str(error))
            self._unwritable.add(record.position)
            return True
        except TooLarge as error:
            if not self.too_large:
                _log.warning("message_too_large", number=record.number.seq, reason=str(error))
            self.too_large += 1
            lowest = self._passed.get(record.priority, record.position)
            self._passed[record.priority] = min(lowest, record.position)
            return True
        if sent:
            self._sender.pace.spend()
            self._busy = True
        return sent

    def _waits_for_date(self, record: Record) -> bool:
        since = self._sender.connected_at
        young = since is not None and self._clock.monotonic() - since < _DATE_WAIT_S
        return young and not record.priority and self._dating.pending(record)

    # -- how much -----------------------------------------------------------

    def _window_left(self, priority: bool) -> int:
        """How many more late frames may be unreceipted; a quarter is kept for priority."""
        window, flights = self._settings.backlog_window, self._sender.flights
        left = window - flights.late
        if not priority:
            left = min(left, window * 3 // 4 - flights.late_ordinary)
        return max(0, left)

    # -- the outbox ---------------------------------------------------------

    async def _ask(self, job: Callable[[], T]) -> T | None:
        """Ask the outbox; None when it is busy."""
        try:
            return await self._writer.submit(job)
        except StoreUnavailable:
            return None
