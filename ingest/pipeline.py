"""The life of a group of messages: one transaction, one page of verbs.

A frame's own failure costs that frame only: its bytes are committed with the error. The store's
failure (StoreUnavailable) is nobody's fault: it leaves this module, and the group is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest import attribution, counters
from ingest.item import Gone, Heartbeat, Item, Opened, Status
from ingest.judgement import Judgement
from ingest.ledger import Committed, Ledger
from ingest.reader import Knowledge
from khaen.ids import UplinkId
from khaen.uplink import Uplink
from store.accounts import AccountCache, Numbered
from store.database import Database
from store.quarantine import DeviceEvent, Foreign, Refused
from store.uplinks import Outcome

DEFERRED = "deferred"
"""What is counted for an uplink that is decoded later."""


class Pipeline:
    """Commits groups of items to the ledger."""

    def __init__(self, database: Database, judgement: Judgement) -> None:
        self._database, self._judgement = database, judgement
        self._cache = AccountCache()

    def commit(self, items: Sequence[Item], knowledge: Knowledge) -> Committed:
        """Commit all of them or none. Raises StoreUnavailable, and whatever a poisoned frame
        raises, in which case its group is to be committed frame by frame.
        """
        with self._database.write() as tx:
            ledger = Ledger(tx, self._cache)
            ledger.prefetch(items)
            for item in items:
                self._handle(ledger, item, knowledge)
            ledger.flush()
        return ledger.committed()

    def _handle(self, ledger: Ledger, item: Item, knowledge: Knowledge) -> None:
        numbered = ledger.settle(item)
        if numbered is Numbered.KNOWN:
            return
        content = item.content
        match content:
            case Opened():
                self._admit(ledger, content, knowledge, unnumbered=numbered is not Numbered.NEW)
            case Foreign():
                ledger.put_foreign(content)
            case DeviceEvent():
                ledger.put_event(content)
            case Heartbeat():
                ledger.beat(content)
            case Gone():
                ledger.declare_gone(content)
            case Status():
                ledger.note_status(content)
            case Refused():
                ledger.refuse(content)
        for alert in item.alerts:
            ledger.alert(alert)
        if numbered is Numbered.CONFLICT and item.entry is not None:
            # Two agents share one outbox: nobody can say any more that nothing is missing.
            for alert in attribution.gateway_alert(
                knowledge.registry, item.entry.gateway, "conflict", "number_used_twice"
            ):
                ledger.alert(alert)

    def _admit(
        self, ledger: Ledger, opened: Opened, knowledge: Knowledge, *, unnumbered: bool
    ) -> None:
        place = counters.place(ledger.group, opened, ledger.possible(opened))
        uplink = counters.placed(opened.said, place, unnumbered=unnumbered)
        if not place.fresh:
            self._suspect(ledger, opened, uplink, place.id, knowledge)
            return
        first = self._take(ledger, opened, uplink, place.id, knowledge)
        for wearer in opened.wearers:
            self._take(ledger, wearer, *counters.beside(wearer.said, place), knowledge)
        if first:
            for stranger in opened.strangers:
                ledger.refuse(stranger)

    def _take(
        self,
        ledger: Ledger,
        opened: Opened,
        uplink: Uplink,
        uplink_id: UplinkId,
        knowledge: Knowledge,
    ) -> bool:
        """Admit an uplink, and judge it or leave it to be decoded; True for the first copy."""
        first = ledger.group.admit(uplink, uplink_id, opened.device.family, opened.subject)
        ledger.count("admitted" if first else "merged")
        if first and uplink.payload and self._judgement.is_deferred(opened.device.family):
            ledger.group.defer(uplink_id)
            ledger.count(DEFERRED)
        elif first:
            outcome = self._judge(ledger, opened, uplink, uplink_id, knowledge)
            ledger.group.record(uplink_id, outcome)
        return first

    def _judge(
        self,
        ledger: Ledger,
        opened: Opened,
        uplink: Uplink,
        uplink_id: UplinkId,
        knowledge: Knowledge,
    ) -> Outcome:
        outcome = self._judgement.decode(opened.device.family, uplink)
        if outcome.decode_error is None:
            self._judgement.evaluate(
                ledger,
                opened.subject,
                opened.device.family,
                uplink,
                uplink_id,
                outcome,
                knowledge.registry,
            )
        if outcome.decode_error or outcome.rule_error:
            ledger.count("decode_error" if outcome.decode_error else "rule_error")
            ledger.alert(self._judgement.alert(opened.subject.organisation, uplink.dev_eui))
        return outcome

    def _suspect(
        self,
        ledger: Ledger,
        opened: Opened,
        uplink: Uplink,
        uplink_id: UplinkId,
        knowledge: Knowledge,
    ) -> None:
        """A counter that was used before: set aside; yet a call for help is heard."""
        ledger.refuse(counters.replay(opened.said))
        ledger.alert(counters.replay_alert(opened))
        subject, family = opened.subject, opened.device.family
        if self._judgement.is_deferred(family):
            if self._judgement.may_call(family):  # and no codec is asked within a transaction
                ledger.alert(self._judgement.unreadable(subject.organisation, subject.id))
            return
        outcome = self._judgement.decode(family, uplink)
        if self._judgement.is_call(outcome.decoded):
            self._judgement.evaluate(
                ledger, subject, family, uplink, uplink_id, outcome, knowledge.registry, fresh=False
            )
