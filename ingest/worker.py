"""The thread that commits: gathers groups, commits them, acknowledges, says receipts.

A group closes when it is `group_ms` old, holds `group_frames` frames, or a priority frame is in it.
When the store does not take a group, the group is repeated, then frame by frame; nothing is
acknowledged before it is committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ingest.item import Item
from ingest.ledger import Committed
from ingest.metrics import Metrics
from ingest.pipeline import DEFERRED, Pipeline
from ingest.reader import Knowledge, Reader
from ingest.receipts import Receipts
from ingest.subscriber import Subscriber, acknowledge
from khaen import log
from khaen.backoff import Backoff
from khaen.errors import StoreUnavailable
from khaen.settings import IngestSettings
from store.quarantine import Refused

_log = log.logger()
_IDLE_S = 0.25


class Worker:
    """Commits what the subscriber takes.

    `load` gives new knowledge, or None while it is true; `deferred` is called when something was
    committed that is decoded later.
    """

    def __init__(
        self,
        *,
        subscriber: Subscriber,
        reader: Reader,
        pipeline: Pipeline,
        receipts: Receipts,
        metrics: Metrics,
        settings: IngestSettings,
        load: Callable[[Knowledge], Knowledge | None],
        deferred: Callable[[], None] = lambda: None,
    ) -> None:
        self._subscriber, self._reader, self._pipeline = subscriber, reader, pipeline
        self._receipts, self._metrics, self._settings = receipts, metrics, settings
        self._load, self._deferred = load, deferred
        self._backoff = Backoff(base=0.05, cap=2.0, floor=0.02)
        self._stop = threading.Event()
        self.failing = False
        """Whether the store did not take the last group."""
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pipeline")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the group at hand; what is not committed was not acknowledged."""
        self._stop.set()
        self._thread.join()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001 - the thread's outermost border
            _log.exception("pipeline_failed")
            self.error = error

    def _turn(self) -> None:
        try:
            fresh = self._load(self._reader.knowledge)
        except StoreUnavailable as error:
            self._pause(error)
            return
        if fresh is not None:
            self._reader.knowledge = fresh
        items = self._gather()
        if items:
            self._commit(items)

    def _gather(self) -> list[Item]:
        """The next group; empty when nothing came for a while."""
        items: list[Item] = []
        wait, closes = _IDLE_S, 0.0
        while len(items) < self._settings.group_frames:
            arrival = self._subscriber.take(wait)
            if arrival is None:
                break
            if not items:
                closes = time.monotonic() + self._settings.group_ms / 1000
            items.append(self._reader.read(arrival))
            wait = closes - time.monotonic()
            if items[-1].priority or wait <= 0:
                break
        return items

    def _commit(self, items: Sequence[Item]) -> None:
        """Commit a group: whole, repeated once, then frame by frame until the store takes it."""
        for _ in range(2):
            try:
                self._finish(items, self._attempt(items))
            except StoreUnavailable as error:
                self._pause(error)
            except Exception:  # noqa: BLE001 - one of its frames: each by itself tells which
                _log.exception("group_failed", messages=len(items))
                break
            else:
                return
            if self._stop.is_set():
                return
        for item in items:
            self._commit_one(item)

    def _commit_one(self, item: Item) -> None:
        while not self._stop.is_set():
            try:
                self._finish([item], self._attempt([item]))
            except StoreUnavailable as error:
                self._pause(error)
            except Exception as error:  # the border of one frame
                if isinstance(item.content, Refused) and not item.alerts:
                    raise
                _log.exception("frame_failed", topic=item.arrival.message.topic)
                # First without what it says of its gateway: a call may be in it.
                item = replace(item, alerts=[]) if item.alerts else _poisoned(item, error)
            else:
                return

    def _attempt(self, items: Sequence[Item]) -> Committed:
        started = time.perf_counter()
        committed = self._pipeline.commit(items, self._reader.knowledge)
        self._metrics.committed(len(items), committed.counts, time.perf_counter() - started)
        return committed

    def _finish(self, items: Sequence[Item], committed: Committed) -> None:
        stale = sum(not acknowledge(item.arrival) for item in items)
        if stale:
            self._metrics.stale(stale)
        self._receipts.note(committed.accounts)
        for dev_eui, dev_addr, f_cnt in committed.counters:
            self._reader.knowledge.sessions.learn(dev_eui, dev_addr, f_cnt)
        if committed.counts[DEFERRED]:
            self._deferred()
        if self.failing:
            _log.info("store_came_back")
        self.failing = False
        self._backoff.reset()
        self._subscriber.resume()

    def _pause(self, error: StoreUnavailable) -> None:
        self._metrics.failed()
        if not self.failing:
            _log.warning("store_unavailable", error=str(error))
        self.failing = True
        self._stop.wait(self._backoff.next())


def _poisoned(item: Item, error: BaseException) -> Item:
    """The same message as something to be set aside; its number is settled all the same."""
    message = item.arrival.message
    content = Refused(
        reason="frame_failed",
        detail=type(error).__name__,
        topic=message.topic,
        content=message.payload,
        digest=item.entry.digest if item.entry is not None else None,
    )
    return Item(arrival=item.arrival, content=content, entry=item.entry)
