"""Receipts to gateways: what of their numbers is settled, published retained after the commit.

Gathered for `receipt_s` per gateway; at once when a gap opens or closes; all of them with a new
`since` at each connection, and every 30 s. Also the retained priority list, which tells agents what
goes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from khaen import topics
from khaen.clock import Clock
from khaen.ids import Epoch, GatewayEui
from khaen.priority import PriorityList
from khaen.receipt import EpochReceipt, Receipt
from store.account import Account

EVERY_S = 30.0
AT_LEAST_S = 0.02
"""Between two receipts of one gateway, however many gaps open and close."""
AGAIN_S = 1.0
"""Until what the client did not take is said again: it takes only so many at a time."""
MAX_EPOCHS = 16
"""Epochs named in a receipt: those that changed last, and whatever lacks something …"""
MOST_EPOCHS = 64
"""… up to so many: a broker takes no message of any size."""

Publish = Callable[[str, bytes], bool]


@dataclass(slots=True)
class _Gateway:
    epochs: dict[Epoch, EpochReceipt] = field(default_factory=dict)
    """In the order in which they changed."""
    published: float = float("-inf")
    due: float | None = None


class Receipts:
    """Keeps what is settled of each gateway, and says it in time. One thread of its own."""

    def __init__(
        self,
        *,
        site: Callable[[], str],
        ledger: str,
        publish: Publish,
        clock: Clock,
        gather_s: float,
    ) -> None:
        self._site, self._ledger, self._publish = site, ledger, publish
        self._clock, self._gather_s = clock, gather_s
        self._changed = threading.Condition()
        self._gateways: dict[GatewayEui, _Gateway] = {}
        self._priority: PriorityList | None = None
        self._priority_due: float | None = None
        self._since: datetime = clock.now()
        self._every = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="receipts")

    def start(self, accounts: Iterable[Account]) -> None:
        """Begin with the accounts that the ledger has."""
        self.note([(account, False) for account in accounts])
        self._thread.start()

    def stop(self) -> None:
        """End; what is due is published first."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def connected(self) -> None:
        """A connection began: everything is said again, under a new `since`."""
        with self._changed:
            self._since = self._clock.now()
            self._say_all()
            self._changed.notify()

    def prefer(self, priority: PriorityList) -> None:
        """Tell agents what goes first."""
        with self._changed:
            if priority != self._priority:
                self._priority, self._priority_due = priority, 0.0
                self._changed.notify()

    def note(self, accounts: Sequence[tuple[Account, bool]]) -> None:
        """Accounts changed by a commit; those whose gaps opened or closed are said at once."""
        if not accounts:
            return
        now = self._clock.monotonic()
        with self._changed:
            for account, urgent in accounts:
                gateway = self._gateways.setdefault(account.gateway, _Gateway())
                gateway.epochs.pop(account.epoch, None)
                if account.closed_at is None:
                    gateway.epochs[account.epoch] = account.receipt()
                due = max(now, gateway.published + (AT_LEAST_S if urgent else self._gather_s))
                gateway.due = due if gateway.due is None else min(due, gateway.due)
            self._changed.notify()

    def _say_all(self) -> None:
        self._priority_due = 0.0 if self._priority is not None else None
        for gateway in self._gateways.values():
            gateway.due = 0.0

    def turn(self, *, everything: bool = False) -> float:
        """Publish what is due; how many seconds until more is.

        What the thread does over and over; whoever starts none calls it instead.
        """
        with self._changed:
            now = self._clock.monotonic()
            if now >= self._every:
                self._every = now + EVERY_S
                self._say_all()
            messages = self._due(now, everything=everything)
        refused = [eui for eui, payload in messages if not self._publish(_topic(eui), payload)]
        with self._changed:
            self._say_again(refused)
            return self._pause()

    def _run(self) -> None:
        while True:
            with self._changed:
                stopping = self._stopping
            self.turn(everything=stopping)
            if stopping:
                return
            with self._changed:
                if not self._stopping:
                    self._changed.wait(self._pause())

    def _say_again(self, refused: Sequence[GatewayEui | None]) -> None:
        again = self._clock.monotonic() + AGAIN_S
        for eui in refused:
            if eui is None:
                self._priority_due = again
            elif self._gateways[eui].due is None:
                self._gateways[eui].due = again

    def _pause(self) -> float:
        dues = [self._priority_due, *(gateway.due for gateway in self._gateways.values())]
        nearest = min((due for due in dues if due is not None), default=self._every)
        return max(0.0, min(nearest, self._every) - self._clock.monotonic())

    def _due(self, now: float, *, everything: bool) -> list[tuple[GatewayEui | None, bytes]]:
        """What is to be said, and to which gateway; the priority list is for all."""
        messages: list[tuple[GatewayEui | None, bytes]] = []
        due = self._priority_due
        if self._priority is not None and due is not None and (everything or due <= now):
            self._priority_due = None
            messages.append((None, self._priority.model_dump_json().encode()))
        for eui, gateway in self._gateways.items():
            if gateway.due is not None and (everything or gateway.due <= now):
                gateway.due, gateway.published = None, now
                messages.append((eui, self._render(gateway)))
        return messages

    def _render(self, gateway: _Gateway) -> bytes:
        named = [
            receipt
            for i, receipt in enumerate(reversed(gateway.epochs.values()))
            if i < MAX_EPOCHS or receipt.missing
        ][:MOST_EPOCHS]
        document = Receipt(
            site=self._site(),
            ledger=self._ledger,
            since=self._since,
            at=self._clock.now(),
            epochs=tuple(named),
        )
        return document.model_dump_json().encode()


def _topic(eui: GatewayEui | None) -> str:
    return topics.PRIORITY if eui is None else topics.receipt(eui)
