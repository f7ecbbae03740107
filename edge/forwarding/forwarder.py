"""From the outbox to the broker: live frames at once, late ones in order and at a measured pace.

Everything here runs in the event loop's thread. A connection that ends takes with it all that is
known about what is on its way; the outbox then decides anew. Only receipts settle (docs/wire.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from edge.counts import Counts
from edge.dating import Dating
from edge.forwarding.late import Late
from edge.forwarding.sender import Link, Sender, TooLarge
from edge.outbox.outbox import Stored
from edge.outbox.writer import Writer
from edge.record import Arrival, Record
from edge.settings import EdgeSettings
from edge.warnings import Warnings
from khaen import log
from khaen.clock import Clock
from khaen.errors import DecodeError, StoreUnavailable
from khaen.ids import Epoch
from khaen.mqtt import Answer
from khaen.receipt import MAX_GAPS, EpochReceipt, Receipt
from khaen.uplink import Number

_log = log.logger()
_TICK_S = 0.5
_SHORT_TICK_S = 0.02
_CALM_S = 5.0
"""Where nothing is on its way and nothing waits: what comes next wakes it …"""
_AWAY_S = 60.0
"""… as does a connection, where there is none."""
_MAX_FRESH = 1024


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
        warnings: Warnings,
    ) -> None:
        self._settings, self._writer, self._link = settings, writer, link
        self._clock, self._counts, self._warnings = clock, counts, warnings
        warnings.put("puback_is_proof", present=settings.forward.puback)
        self._sender = Sender(settings, link, dating, clock, counts, writer.outbox.handed)
        self._late = Late(
            settings.forward, writer, self._sender, dating, clock, is_known=self._is_known
        )
        self._fresh: dict[bool, deque[tuple[Record, Arrival]]] = {True: deque(), False: deque()}
        self._fresh_numbers: set[Number] = set()
        self._generation = writer.outbox.generation
        self._receipts: dict[str, EpochReceipt] = {}
        self._ledger: str | None = None
        self._since: datetime | None = None
        self._handed: dict[Epoch, int] = {}
        """What anybody could know of our numbers when this connection began."""
        self._refused: set[str] = set()
        """Topics of which the broker's last answer was a refusal."""
        self._wake = asyncio.Event()
        self.drained = asyncio.Event()
        """Set when the backlog has run dry; whoever reports it clears it."""

    # -- the connection -----------------------------------------------------

    def connect(self) -> None:
        """A connection began: all that is unsettled goes again."""
        self._counts.connections.inc()
        self._handed = dict(self._writer.outbox.handed)
        self._begin_anew()
        self._sender.connected_at = self._clock.monotonic()
        self._pump()

    def disconnect(self) -> None:
        """The connection ended: forget what was on its way."""
        self._sender.end()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._sender.clear()
        self._late.begin_anew()
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

    def offer(self, stored: Stored, arrivals: Sequence[Arrival]) -> None:
        """These arrivals are stored."""
        self._check_generation()
        if stored.generation != self._generation:
            return  # numbered anew since: the outbox brings them
        for record, arrival in zip(stored.records, arrivals, strict=True):
            if record.number in self._sender.flights:
                continue
            queue = self._fresh[record.priority]
            queue.append((record, arrival))
            self._fresh_numbers.add(record.number)
            if len(queue) > _MAX_FRESH:
                self._leave(queue.popleft()[0])
        self._pump()

    def _pump(self) -> None:
        """Send what is still live, priority first; what is not, the outbox brings later."""
        for priority in (True, False):
            queue = self._fresh[priority]
            while queue:
                record, arrival = queue[0]
                if self._clock.monotonic() - arrival.heard > arrival.live_s:
                    self._leave(record)
                elif not self._send(record, arrival):
                    return
                queue.popleft()

    def _send(self, record: Record, arrival: Arrival) -> bool:
        try:
            if not self._sender.send(record, arrival=arrival):
                return False
        except (DecodeError, TooLarge):  # as the backlog writes it, it may go
            self._counts.refused.labels(reason="not_for_live").inc()
            self._leave(record)
        else:
            self._fresh_numbers.discard(record.number)
        return True

    def _leave(self, record: Record) -> None:
        self._fresh_numbers.discard(record.number)
        self._late.look_again(priority=record.priority, position=record.position)
        self._wake.set()

    # -- answers ------------------------------------------------------------

    def answered(self, connection: int, mid: int, answer: Answer) -> None:
        """What became of a message; that the broker took it proves nothing, but starts a clock."""
        number = self._sender.answered(connection, mid)
        if number is None:
            return
        if answer is Answer.WITHDRAWN:
            self._counts.refused.labels(reason="grew_old").inc()
            self._return(number)
        else:
            self._judge(number, answer)
        self._pump()
        self._wake.set()

    def _return(self, number: Number) -> None:
        """It will not go live: the backlog has it."""
        if (flight := self._sender.flights.remove(number)) is not None:
            self._late.look_again(priority=flight.priority, position=flight.position)

    def _judge(self, number: Number, answer: Answer) -> None:
        flights, now = self._sender.flights, self._clock.monotonic()
        flight = flights.get(number)
        if flight is not None:
            self._note_refusal(flight.topic, present=not answer.taken)
        if not answer.taken:
            self._counts.refused.labels(reason="broker_refused").inc()
            if flight is not None and flight.late:
                flights.refuse(number, now)
            else:
                self._return(number)
            return
        self._counts.taken.inc()
        if self._settings.forward.puback:
            self._warnings.put("nobody_subscribes", present=answer is Answer.UNHEARD)
            flights.remove(number)
            self._post(partial(self._writer.outbox.settle, [number]))
        else:
            flights.take(number, now)

    def _note_refusal(self, topic: str, *, present: bool) -> None:
        """Say aloud that an account may not publish, or not to the region's topics."""
        if present and topic not in self._refused:
            _log.error("publish_refused", topic=topic)
        (self._refused.add if present else self._refused.discard)(topic)
        self._warnings.put("publish_refused", present=bool(self._refused))

    def receive(self, receipt: Receipt, *, retained: bool = False) -> None:
        """A receipt came; a `retained` one was said before this connection."""
        if receipt.site != self._settings.site:
            self._counts.receipts.labels(outcome="other_site").inc()
            return
        now = self._clock.monotonic()
        if receipt.ledger != self._ledger:
            self._ledger = receipt.ledger
            self._receipts.clear()
        if self._since is not None and receipt.since != self._since:
            self._sender.flights.reset(now)
        self._since = receipt.since
        # A retained one may come before the answer that makes the connection whole (MQTT 5.0,
        # section 3.8.4): nothing was sent in it then, so what is known now was known before.
        began = self._sender.connected_at is not None
        handed = self._handed if retained and began else self._writer.outbox.handed
        known = (self._recognise(entry, handed.get(entry.epoch, 0)) for entry in receipt.epochs)
        entries = tuple(entry for entry in known if self._goes_on(entry))
        self._counts.receipts.labels(outcome="obeyed").inc()
        # A conflict of the present epoch is the outbox's to answer, with a new one.
        plain = [e for e in entries if not e.conflict or e.epoch != self._writer.outbox.present]
        self._counts.receipted.inc(self._sender.flights.obey(plain, now))
        self._receipts.update((entry.epoch, entry) for entry in plain)
        obeyed = receipt.model_copy(update={"epochs": entries})
        self._post(partial(self._writer.outbox.obey, obeyed))
        self._wake.set()

    def _recognise(self, entry: EpochReceipt, handed: int) -> EpochReceipt:
        """The entry, or a conflict: where it settles numbers that nobody had from us when it was
        made, they are another copy's of this card, and ours would be lost.
        """
        if entry.epoch != self._writer.outbox.present or entry.upto <= handed:
            return entry
        return entry.model_copy(update={"conflict": True})

    def _goes_on(self, entry: EpochReceipt) -> bool:
        """Whether an entry does not go back behind what the same ledger said of the epoch."""
        last = self._receipts.get(entry.epoch)
        # A receipt that names all the gaps it may ends earlier when one of them is split in two.
        full = len(entry.missing) == MAX_GAPS
        if last is not None and (
            entry.watermark < last.watermark
            or (entry.watermark == last.watermark and entry.upto < last.upto and not full)
        ):
            self._counts.receipts.labels(outcome="backwards").inc()
            return False
        return True

    def _post(self, job: Callable[[], Any]) -> None:
        """Have the outbox note what will be said again, should it be too busy now."""
        try:
            # A new ledger or epoch makes records wait again, which is to be seen only then.
            self._writer.post(job, patience=0.1, then=self._wake.set)
        except StoreUnavailable:
            self._counts.refused.labels(reason="outbox_busy").inc()

    def _is_known(self, number: Number) -> bool:
        """Whether it is on its way, about to be, or settled by a receipt not yet written down."""
        if number in self._sender.flights or number in self._fresh_numbers:
            return True
        last = self._receipts.get(number.epoch)
        return last is not None and last.settles(number.seq)

    # -- late ---------------------------------------------------------------

    async def run(self) -> None:
        """Send what is late, for ever."""
        while True:
            self._wake.clear()
            await self.step()
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()

    def _pause(self) -> float:
        if self._sender.connected_at is None:
            return _AWAY_S
        if self._late.hungry:
            return _SHORT_TICK_S
        if self._late.exhausted and not len(self._sender.flights):
            return _CALM_S
        due = self._sender.flights.next_due()
        if due is None:
            return _TICK_S
        return min(_TICK_S, max(_SHORT_TICK_S, due - self._clock.monotonic()))

    async def step(self) -> None:
        """One look: what is due again, then what the outbox holds, as far as there is room."""
        self._check_generation()
        if self._sender.connected_at is None:
            return
        self._pump()
        if self._sender.is_stuck():
            _log.warning("broker_stuck", stuck_s=self._settings.forward.stuck_s)
            self._link.drop()
            return
        await self._late.resend()
        await self._late.feed()
        if self._late.too_large or self._late.exhausted:
            self._warnings.put("message_too_large", present=self._late.too_large > 0)
        if self._late.ran_dry():
            self.drained.set()
