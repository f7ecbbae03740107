"""Ingest without threads or broker: messages in, ledger out, under a clock that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.item import Arrival
from ingest.judgement import Judgement
from ingest.knowledge import Loader
from ingest.pipeline import Pipeline
from ingest.reader import Reader
from khaen.clock import ManualClock
from khaen.mqtt import Message
from khaen.uplink import Way
from store.database import Database
from tests.support.traffic import KEY, START, make_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message and the way that it comes."""

    topic: str
    payload: bytes
    way: Way = Way.LIVE


class InProcess:
    """A ledger and the pipeline before it."""

    def __init__(
        self, folder: Path, judgement: Judgement | None = None, clock: ManualClock | None = None
    ) -> None:
        self.clock = clock or ManualClock(START)
        self.database: Database = make_ledger(folder, self.clock)
        self.knowledge = Loader(self.database, KEY, self.clock).load()
        self.reader = Reader(self.knowledge)
        self.pipeline = Pipeline(self.database, judgement or Judgement())
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        """Close the ledger."""
        self.database.close()

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def take(self, *sent: Sent) -> Counter[str]:
        """Commit the messages as one group; what became of them."""
        items = [self.reader.read(self.arrival(each)) for each in sent]
        committed = self.pipeline.commit(items, self.knowledge)
        for dev_eui, dev_addr, f_cnt in committed.counters:
            self.knowledge.sessions.learn(dev_eui, dev_addr, f_cnt)
        self.counts += committed.counts
        return committed.counts

    def arrival(self, sent: Sent) -> Arrival:
        """The message as it comes now."""
        message = Message(
            topic=sent.topic, payload=sent.payload, qos=1, retain=False, connection=1, mid=1
        )
        return Arrival(message, self.clock.now(), sent.way)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger says."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]


def late(gateway: str, payload: bytes) -> Sent:
    """A message by way of the backlog."""
    return Sent(topic=f"khaen/gateway/{gateway}/backlog", payload=payload, way=Way.BACKLOG)


def in_groups(items: Iterable[Sent], size: int) -> list[tuple[Sent, ...]]:
    """The messages in groups."""
    found = list(items)
    return [tuple(found[i : i + size]) for i in range(0, len(found), size)]
