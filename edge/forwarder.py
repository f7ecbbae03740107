"""From the outbox to the broker: live frames at once, late ones in order and at a measured pace.

Everything here runs in the event loop's thread. A connection that ends takes with it all that is
known about what is on its way; the outbox then decides anew. Only receipts settle (docs/wire.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from chirpstack_api import gw

from edge.counts import Counts
from edge.dating import Dating
from edge.flights import Flight, Flights
from edge.outbox import Stored
from edge.record import Arrival, Record
from edge.settings import EdgeSettings
from edge.writer import Writer
from khaen import log, topics
from khaen.clock import Clock
from khaen.errors import StoreUnavailable
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Kind, Number
from khaen.wire import Stamp, stamp

_log = log.logger()
_TICK_S = 0.5
_SHORT_TICK_S = 0.02
_DATE_WAIT_S = 60.0
"""Dating afterwards waits this long after connecting, at most (docs/wire.md)."""
_MAX_FRESH = 1024
_PAGE = 128


class Link(Protocol):
    """The present connection, as the forwarder sees it."""

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, expiry: float | None = None
    ) -> tuple[int, int] | None:
        """Hand over a message: its (connection, mid), or None."""

    def drop(self) -> None:
        """Make the connection anew."""


class Forwarder:
    """Sends what the outbox holds over `link`; see the module's text."""

    def __init__(
        self,
        settings: EdgeSettings,
        writer: Writer,
        link: Link,
        dating: Dating,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._settings, self._writer, self._link = settings, writer, link
        self._dating, self._clock, self._counts = dating, clock, counts
        self._flights = Flights(settings.forward)
        self._in_flight: dict[tuple[int, int], tuple[Number, float]] = {}
        self._fresh: dict[bool, deque[tuple[Record, float, float]]] = {
            True: deque(),
            False: deque(),
        }
        self._fresh_numbers: set[Number] = set()
        self._after = {True: 0, False: 0}
        self._exhausted = {True: False, False: False}
        self._pages: dict[bool, deque[Record]] = {True: deque(), False: deque()}
        self._generation = writer.outbox.generation
        self._draining = False
        self._receipts: dict[str, EpochReceipt] = {}
        self._ledger: str | None = None
        self._since: datetime | None = None
        self._connected_at: float | None = None
        self._budget, self._budget_at = 0.0, clock.monotonic()
        self._wake = asyncio.Event()
        self.drained = asyncio.Event()
        """Set when the backlog has run dry; whoever reports it clears it."""

    # -- what happens -------------------------------------------------------

    def connect(self) -> None:
        """A connection began: all that is unsettled goes again."""
        self._connected_at = self._clock.monotonic()
        self._counts.connections.inc()
        self._begin_anew()
        self._pump_fresh()

    def disconnect(self) -> None:
        """The connection ended: forget what was on its way."""
        self._connected_at = None
        self._begin_anew()

    def offer(self, stored: Stored, arrivals: Sequence[Arrival]) -> None:
        """These arrivals are stored."""
        self._check_generation()
        if stored.generation != self._generation:
            return  # numbered anew since: the outbox brings them
        for record, arrival in zip(stored.records, arrivals, strict=True):
            if record.number in self._flights:
                continue
            queue = self._fresh[record.priority]
            queue.append((record, arrival.heard, arrival.live_s))
            self._fresh_numbers.add(record.number)
            if len(queue) > _MAX_FRESH:
                self._leave_to_outbox(queue.popleft()[0])
        if self._connected_at is not None:
            self._pump_fresh()

    def taken(self, connection: int, mid: int, accepted: bool) -> None:
        """The broker answered."""
        found = self._in_flight.pop((connection, mid), None)
        if found is None:
            return
        now = self._clock.monotonic()
        if not accepted:
            self._flights.refuse(found[0], now)
        elif self._settings.forward.puback:
            self._flights.remove(found[0])
            self._work(partial(self._writer.outbox.settle, [found[0]]))
        else:
            self._flights.take(found[0], now)
        if accepted:
            self._counts.taken.inc()
        self._pump_fresh()
        self._wake.set()

    def receive(self, receipt: Receipt) -> None:
        """A receipt came."""
        if receipt.site != self._settings.site:
            self._counts.receipts.labels(outcome="other_site").inc()
            return
        now = self._clock.monotonic()
        if receipt.ledger != self._ledger:
            self._ledger = receipt.ledger
            self._receipts.clear()
        if self._since is not None and receipt.since != self._since:
            self._flights.reset(now)
        self._since = receipt.since
        entries = tuple(entry for entry in receipt.epochs if self._goes_on(entry))
        self._counts.receipts.labels(outcome="obeyed").inc()
        self._counts.receipted.inc(self._flights.obey(entries, now))
        obeyed = receipt.model_copy(update={"epochs": entries})
        self._work(partial(self._writer.outbox.obey, obeyed), patience=0.05)
        if self._draining and not self._flights.late and all(self._exhausted.values()):
            self._draining = False
            self.drained.set()
        self._wake.set()

    def _goes_on(self, entry: EpochReceipt) -> bool:
        """Whether an entry does not go back behind what the same ledger said of the epoch."""
        last = self._receipts.get(entry.epoch)
        if last is not None and (entry.watermark, entry.upto) < (last.watermark, last.upto):
            self._counts.receipts.labels(outcome="backwards").inc()
            return False
        if not entry.conflict:
            self._receipts[entry.epoch] = entry
        return True

    def _work(self, job: Callable[[], Any], patience: float = 0.2) -> None:
        """Have the outbox do something that nobody waits for; what is refused comes again."""
        try:
            self._writer.post(job, patience=patience)
        except StoreUnavailable:
            self._counts.refused.labels(reason="outbox_busy").inc()

    def _begin_anew(self) -> None:
        self._flights.clear()
        self._in_flight.clear()
        for priority in (True, False):
            self._pages[priority].clear()
            self._after[priority] = 0
            self._exhausted[priority] = False
        self._wake.set()

    def _check_generation(self) -> None:
        """Forget numbers and states that the outbox has changed."""
        generation = self._writer.outbox.generation
        if generation != self._generation:
            self._generation = generation
            for queue in self._fresh.values():
                queue.clear()
            self._fresh_numbers.clear()
            self._receipts.clear()
            self._begin_anew()

    # -- live ---------------------------------------------------------------

    def _pump_fresh(self) -> None:
        """Send what is still live, priority first; what is not, the outbox brings later."""
        for priority in (True, False):
            queue = self._fresh[priority]
            while queue:
                record, heard, live_s = queue[0]
                if self._clock.monotonic() - heard > live_s:
                    self._leave_to_outbox(queue.popleft()[0])
                elif not self._has_room() or not self._send(record, live_s=live_s):
                    return
                else:
                    queue.popleft()
                    self._fresh_numbers.discard(record.number)

    def _leave_to_outbox(self, record: Record) -> None:
        self._fresh_numbers.discard(record.number)
        self._look_again(record.priority, record.position)

    def _look_again(self, priority: bool, position: int) -> None:
        self._pages[priority].clear()
        self._after[priority] = min(self._after[priority], position - 1)
        self._exhausted[priority] = False
        self._wake.set()

    def _has_room(self, *, late: bool = False) -> bool:
        window = self._settings.forward.window
        return len(self._in_flight) < (window // 2 if late else window)

    def _send(self, record: Record, *, live_s: float | None = None, tries: int = 1) -> bool:
        """Hand a record to the broker; `live_s` None means by the backlog."""
        if self._connected_at is None:
            return False
        date = self._dating.date(record, live=live_s is not None)
        facts = Stamp(
            number=record.number,
            kind=record.kind,
            clock=date.clock,
            origin=record.origin,
            at=date.at,
            until=date.until,
            device=record.device,
            topic=record.topic,
        )
        payload = stamp(gw.UplinkFrame.FromString(record.frame), facts)
        sent = self._link.publish(self._topic(record, live_s), payload, expiry=live_s)
        if sent is None:
            return False
        self._in_flight[sent] = (record.number, self._clock.monotonic())
        self._flights.add(
            Flight(
                number=record.number,
                position=record.position,
                priority=record.priority,
                late=live_s is None,
                tries=tries,
            )
        )
        self._counts.sent.labels(way="backlog" if live_s is None else "live").inc()
        return True

    def _topic(self, record: Record, live_s: float | None) -> str:
        gateway = self._settings.gateway_eui
        if live_s is None:
            return topics.backlog(gateway)
        if record.kind is Kind.LORAWAN:
            return topics.up(self._settings.region, gateway)
        return topics.live(gateway)

    # -- late ---------------------------------------------------------------

    async def run(self) -> None:
        """Send what is late, for ever."""
        while True:
            self._wake.clear()
            await self.step()
            try:
                await asyncio.wait_for(self._wake.wait(), self._pause())
            except TimeoutError:
                continue

    def _pause(self) -> float:
        if self._connected_at is None:
            return _TICK_S
        if any(self._pages.values()):
            return _SHORT_TICK_S
        due = self._flights.next_due()
        if due is None:
            return _TICK_S
        return min(_TICK_S, max(_SHORT_TICK_S, due - self._clock.monotonic()))

    async def step(self) -> None:
        """One look: what is due again, then what the outbox holds, as far as there is room."""
        self._check_generation()
        if self._connected_at is None:
            return
        self._pump_fresh()
        if self._is_stuck():
            _log.warning("broker_stuck", in_flight=len(self._in_flight))
            self._link.drop()
            return
        await self._resend()
        for priority in (True, False):
            await self._feed(priority)

    def _is_stuck(self) -> bool:
        oldest = next(iter(self._in_flight.values()), None)
        stuck_s = self._settings.forward.stuck_s
        return oldest is not None and self._clock.monotonic() - oldest[1] > stuck_s

    async def _resend(self) -> None:
        """Send again what had no receipt in time."""
        due = self._flights.due(self._clock.monotonic())
        again: list[Flight] = []
        for flight in due:
            if not flight.late and not self._window_left(flight.priority, len(again)):
                self._flights.remove(flight.number)
                self._look_again(flight.priority, flight.position)
            else:
                again.append(flight)
        room = self._settings.forward.window // 2 - len(self._in_flight)
        again = again[: max(0, min(room, self._allowance()))]
        if not again:
            return
        records = await self._ask(
            partial(self._writer.outbox.fetch, [flight.number for flight in again])
        )
        if records is None:
            return
        found = {record.number: record for record in records}
        sent: list[Number] = []
        for flight in again:
            record = found.get(flight.number)
            if record is None:
                self._flights.remove(flight.number)
            elif flight.number in self._flights and self._send(record, tries=flight.tries + 1):
                sent.append(flight.number)
        self._budget -= len(sent)
        if sent:
            self._work(partial(self._writer.outbox.count_attempts, sent), patience=1.0)

    async def _feed(self, priority: bool) -> None:
        """Send what is in the outbox and not on its way."""
        page = self._pages[priority]
        while not self._exhausted[priority]:
            while page:
                if not self._feed_one(page[0], waits=not priority):
                    return
                self._after[priority] = page.popleft().position
            if not self._window_left(priority) or self._connected_at is None:
                return
            after = self._after[priority]
            records = await self._ask(
                partial(self._writer.outbox.page, priority=priority, after=after, limit=_PAGE)
            )
            if records is None or self._after[priority] != after or page:
                return
            page.extend(records)
            self._exhausted[priority] = not records

    def _feed_one(self, record: Record, *, waits: bool) -> bool:
        """Send one late record or pass over it; False to come back to it later."""
        if self._is_known(record.number):
            return True
        if self._connected_at is None:
            return False
        connected = self._clock.monotonic() - self._connected_at
        if waits and connected < _DATE_WAIT_S and self._dating.pending(record):
            return False
        room = self._allowance() >= 1 and self._window_left(record.priority) > 0
        if not room or not self._has_room(late=True) or not self._send(record):
            return False
        self._budget -= 1
        self._draining = True
        return True

    def _is_known(self, number: Number) -> bool:
        """Whether it is on its way, about to be, or settled by a receipt not yet written down."""
        if number in self._flights or number in self._fresh_numbers:
            return True
        last = self._receipts.get(number.epoch)
        return last is not None and last.settles(number.seq)

    def _window_left(self, priority: bool, taken: int = 0) -> int:
        """How many more late frames may be unreceipted; a quarter is kept for priority."""
        window = self._settings.forward.backlog_window
        left = window - self._flights.late - taken
        if not priority:
            left = min(left, window * 3 // 4 - self._flights.late_ordinary - taken)
        return max(0, left)

    def _allowance(self) -> int:
        """How many late frames the rate allows now; a tenth of a second may be saved up."""
        rate, now = self._settings.forward.backlog_rate, self._clock.monotonic()
        most = max(1.0, rate * 0.1)
        self._budget = min(most, self._budget + (now - self._budget_at) * rate)
        self._budget_at = now
        return int(self._budget)

    async def _ask(self, job: Callable[[], list[Record]]) -> list[Record] | None:
        """Ask the outbox; None when it is busy."""
        try:
            return await self._writer.submit(job)
        except StoreUnavailable:
            return None
