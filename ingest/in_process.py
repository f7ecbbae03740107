"""Ingest without threads or broker: messages in, ledger out, under a clock that is told.

The same reader, pipeline and receipts as in the program; whoever holds this says what comes when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretBytes

from decoders.collection import Collection
from ingest.deferred import Deferred
from ingest.item import Arrival
from ingest.judgement import Judgement, judgement_of
from ingest.knowledge import Loader, prefer
from ingest.pipeline import DEFERRED, Pipeline
from ingest.reader import Knowledge, Reader
from ingest.receipts import Publish, Receipts
from khaen.clock import Clock
from khaen.mqtt import Message
from khaen.settings import IngestSettings
from khaen.uplink import Way
from store import migrate
from store.account import open_accounts
from store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message, the way that it comes, and when: None is now.

    `settled` says that its connection is past the first rush, so that it may be dated by arrival.
    """

    topic: str
    payload: bytes
    way: Way = Way.LIVE
    at: datetime | None = None
    settled: bool = True


class InProcess:
    """The pipeline before a ledger that has its schema. For one thread.

    `key` opens the session keys. `families` are today's, unless codecs are among them; their
    uplinks are decoded right after the commit that admits them. Receipts and the priority list go
    to `publish` when `publish_due` is called. Raises StoreUnavailable, and SettingsError for a key
    that is not its.
    """

    def __init__(
        self,
        database: Database,
        key: SecretBytes,
        clock: Clock,
        *,
        judgement: Judgement | None = None,
        families: Collection | None = None,
        publish: Publish = lambda _topic, _payload: True,
    ) -> None:
        self.database, self.clock = database, clock
        self.counts: Counter[str] = Counter()
        """What became of all messages so far."""
        families = families or Collection(clock=clock)
        judgement = judgement or judgement_of(families)
        self._loader = Loader(database, key, clock, families)
        self.reader = Reader(self._loader.load())
        self.pipeline = Pipeline(database, judgement)
        self.deferred = Deferred(
            database,
            families,
            judgement,
            lambda: self.knowledge.registry,
            clock,
            self.counts.update,
        )
        with database.read() as connection:
            ledger, accounts = migrate.ledger_id(connection), open_accounts(connection)
        self.receipts = Receipts(
            site=lambda: self.knowledge.registry.site,
            ledger=ledger,
            publish=publish,
            clock=clock,
            gather_s=IngestSettings().receipt_s,
        )
        self.receipts.note([(account, False) for account in accounts])
        self.receipts.prefer(prefer(self.knowledge))

    @property
    def knowledge(self) -> Knowledge:
        """What is known of the site now."""
        return self.reader.knowledge

    def take(self, *sent: Sent) -> Counter[str]:
        """Commit the messages as one group; what became of them."""
        return self.commit([self._arrival(each) for each in sent])

    def commit(self, arrivals: Sequence[Arrival]) -> Counter[str]:
        """Commit what arrived as one group; what became of it.

        Raises whatever a poisoned frame raises, in which case nothing is committed.
        """
        self._look()
        items = [self.reader.read(arrival) for arrival in arrivals]
        committed = self.pipeline.commit(items, self.knowledge)
        for dev_eui, dev_addr, f_cnt in committed.counters:
            self.knowledge.sessions.learn(dev_eui, dev_addr, f_cnt)
        self.receipts.note(committed.accounts)
        self.counts += committed.counts
        while committed.counts[DEFERRED] and self.deferred.turn():
            pass
        return committed.counts

    def publish_due(self) -> float:
        """Publish what is due; how many seconds until more is."""
        return self.receipts.turn()

    def _look(self) -> None:
        fresh = self._loader.reload(self.knowledge)
        if fresh is not None:
            self.reader.knowledge = fresh
            self.receipts.prefer(prefer(fresh))

    def _arrival(self, sent: Sent) -> Arrival:
        message = Message(
            topic=sent.topic, payload=sent.payload, qos=1, retain=False, connection=1, mid=1
        )
        return Arrival(message, sent.at or self.clock.now(), sent.way, sent.settled)
