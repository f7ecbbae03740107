"""What one transaction of ingest writes: uplinks, accounts, what is set aside, alarms, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest import counters
from ingest.item import Alert, Content, Gone, Heartbeat, Item, Opened, Status
from khaen.clock import from_micros, to_micros
from khaen.evaluation import Evaluation, SubjectState
from khaen.ids import DevAddr, DevEui, GatewayEui, SubjectId, UplinkId
from khaen.uplink import Way
from store import alarms
from store.account import Account
from store.accounts import AccountCache, Accounts, Numbered
from store.database import Transaction
from store.gateways import GatewayStates
from store.journal import Kind as Journal
from store.quarantine import DeviceEvent, Foreign, Refused, Shelf
from store.uplinks import Group

_NUMBERED = {
    Numbered.KNOWN: "repeated",
    Numbered.CONFLICT: "conflict",
    Numbered.SURPLUS: "surplus_epoch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit changed that others must hear of."""

    accounts: list[tuple[Account, bool]]
    """Accounts touched, and whether a gap opened or closed in them."""
    counts: Counter[str]
    """Outcomes; refusals as `refused:{reason}`."""
    counters: list[tuple[DevEui, DevAddr, int]]
    """Frame counters that went on."""


class Ledger:
    """The write side of one group."""

    def __init__(self, tx: Transaction, cache: AccountCache) -> None:
        self.tx = tx
        self.group = Group(tx)
        self._accounts = Accounts(tx, cache)
        self._shelf = Shelf(tx)
        self._gateways = GatewayStates(tx)
        self._ids: dict[int, dict[int, UplinkId]] = {}
        self._states: dict[SubjectId, SubjectState] = {}
        self._alerted: set[Alert] = set()
        self._counts: Counter[str] = Counter()

    def prefetch(self, items: Sequence[Item]) -> None:
        """Read what is known of all of them, in a few statements."""
        self._accounts.prefetch(
            (item.entry.gateway, item.entry.number) for item in items if item.entry is not None
        )
        opened = [item.content for item in items if isinstance(item.content, Opened)]
        saying = [each.said for one in opened for each in (one, *one.wearers)]
        self.group.prefetch_marks((each.dev_eui, each.dev_addr) for each in saying)
        wanted: set[UplinkId] = set()
        for relay in opened:
            ids = counters.possible(self.group, relay.said)
            self._ids[id(relay.said)] = ids
            wanted |= {*ids.values()}
            wanted |= {counters.identify(w.said, known) for w in relay.wearers for known in ids}
        self.group.prefetch(wanted)

    def possible(self, opened: Opened) -> dict[int, UplinkId]:
        """The ids, by generation, that were prefetched for a frame."""
        return self._ids[id(opened.said)]

    def settle(self, item: Item) -> Numbered:
        """Settle the item's number; NEW for what carries none."""
        entry = item.entry
        if entry is None:
            # Another make of gateway numbers nothing, and is heard all the same.
            if (gateway := _heard_by(item.content)) is not None:
                self._gateways.hear(gateway)
            return Numbered.NEW
        numbered = self._accounts.take(
            entry.gateway, entry.number, entry.kind, entry.digest, backlog=entry.backlog
        )
        if numbered is Numbered.NEW:
            self._gateways.hear(entry.gateway)
        else:
            self._counts[_NUMBERED[numbered]] += 1
        return numbered

    def state(self, subject: SubjectId) -> SubjectState:
        """The subject's state within this transaction, its row locked."""
        if subject not in self._states:
            self._states.update(alarms.states(self.tx, [subject]))
        return self._states[subject]

    def apply(self, evaluation: Evaluation) -> None:
        """Write an evaluation, whole or not at all. Raises what the writing raised."""
        known = len(self.tx.entries)
        try:
            with self.tx.connection.begin_nested():
                alarms.record(self.tx, evaluation)
        except BaseException:
            del self.tx.entries[known:]
            raise
        self._states[evaluation.state.subject] = evaluation.state

    def alert(self, alert: Alert) -> None:
        """Raise a technical alarm, once per group."""
        if alert in self._alerted:
            return
        self._alerted.add(alert)
        self._counts[f"alert:{alert.rule}"] += 1
        alarms.raise_technical(
            self.tx,
            organisation=alert.organisation,
            subject=alert.subject,
            rule=alert.rule,
            priority=alert.priority,
            reason=alert.reason,
            event_at=from_micros(self.tx.now),
        )
        # Its subject's open alarms are no longer as they were read.
        self._states.pop(alert.subject, None)

    def refuse(self, refused: Refused) -> None:
        """Put a message in the quarantine."""
        self._counts[f"refused:{refused.reason}"] += 1
        self._shelf.refuse(refused)

    def put_foreign(self, frame: Foreign) -> None:
        """Put a frame in its gateway's ring."""
        self._counts["foreign"] += 1
        self._shelf.put_foreign(frame)

    def put_event(self, event: DeviceEvent) -> None:
        """Keep what a device or its network server said beside uplinks."""
        self._counts[f"event:{event.kind}"] += 1
        self._shelf.put_event(event)

    def beat(self, heartbeat: Heartbeat) -> None:
        """A gateway's heartbeat; an old one is only committed."""
        self._counts["heartbeat" if heartbeat.fresh else "heartbeat_late"] += 1
        self._gateways.beat(heartbeat.gateway, to_micros(heartbeat.made_at), fresh=heartbeat.fresh)
        if heartbeat.fresh:
            self.tx.journal(Journal.HEARTBEAT, heartbeat.gateway)

    def declare_gone(self, gone: Gone) -> None:
        """Settle numbers that will never come."""
        self._counts["gone"] += 1
        self._accounts.declare_gone(gone.gateway, gone.number.epoch, gone.ranges, gone.reason)

    def note_status(self, status: Status) -> None:
        """Take an agent's word of itself into its account."""
        self._counts["status"] += 1
        if self._accounts.note_status(status.gateway, status.status):
            self._gateways.note_status(status.gateway, status.status)

    def count(self, outcome: str) -> None:
        """Count an outcome."""
        self._counts[outcome] += 1

    def flush(self) -> None:
        """Write it all, as the transaction's last act but the journal."""
        self.group.flush()
        self._accounts.flush()
        self._shelf.flush()
        self._gateways.flush()

    def committed(self) -> Committed:
        """To be called after the commit."""
        return Committed(
            accounts=self._accounts.committed(),
            counts=self._counts,
            counters=self.group.newest_counters(),
        )


def _heard_by(content: Content) -> GatewayEui | None:
    """The gateway that itself brought a frame; None for what a network server tells."""
    if isinstance(content, Foreign):
        return content.gateway
    if isinstance(content, Opened):
        head = content.said.receptions[0]
        return None if head.way is Way.NETWORK_SERVER else head.gateway_eui
    return None
