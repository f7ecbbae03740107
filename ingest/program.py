"""The ingest program: MQTT in, ledger out."""

from __future__ import annotations

import asyncio
import gc
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime

from decoders.collection import Collection
from ingest.deferred import Decoding, Deferred
from ingest.health import HealthServer
from ingest.judgement import judgement_of
from ingest.knowledge import Loader, prefer
from ingest.metrics import Metrics
from ingest.pipeline import Pipeline
from ingest.projections.series import SeriesProjection
from ingest.reader import Knowledge, Reader
from ingest.receipts import Receipts
from ingest.subscriber import Subscriber
from ingest.sweep import Sweep
from ingest.worker import Worker
from khaen import log, ready
from khaen.clock import Clock, SystemClock
from khaen.errors import StoreUnavailable
from khaen.settings import Settings
from store import accounts, liveness, migrate, pending
from store.account import open_accounts
from store.database import Database

_log = log.logger()
_LOOK_S = 0.2
_YOUNG_OBJECTS = 50_000
_AUDIT_S = 10.0
_SWEEP_S = 60.0
_TELL_S = 1.0


class PipelineFailed(RuntimeError):
    """A thread of the pipeline has ended by a bug; the program ends, to be started again."""


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises NotRunnable and SettingsError before anything runs."""
    # A group's objects live for one commit: looking through them more often finds nothing.
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ingest = Ingest(settings, SystemClock())
    try:
        ingest.start()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(ingest.watch(), name="watch"),
                tasks.create_task(ingest.beat(), name="beat"),
                tasks.create_task(ingest.look(), name="look"),
                tasks.create_task(ingest.sweep(), name="sweep"),
                tasks.create_task(ingest.tell(), name="tell"),
            ]
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        await asyncio.to_thread(ingest.stop)


class Ingest:
    """All parts of one ingest, wired. Sinks start before sources and stop after them."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._metrics = Metrics()
        self._database = Database(settings.ledger.url, clock=clock)
        migrate.upgrade(self._database)
        self._families = Collection(settings.decoders.codecs, clock=clock)
        self._loader = Loader(self._database, settings.ledger.key(), clock, self._families)
        self._reader = Reader(self._loader.load())
        with self._database.read() as connection:
            ledger = migrate.ledger_id(connection)
        self._subscriber = Subscriber(settings.mqtt, settings.ingest, clock, self._connected)
        self._receipts = Receipts(
            site=lambda: self._reader.knowledge.registry.site,
            ledger=ledger,
            publish=self._publish,
            clock=clock,
            gather_s=settings.ingest.receipt_s,
        )
        judgement = judgement_of(self._families)
        self._deferred = Deferred(
            self._database,
            self._families,
            judgement,
            lambda: self._reader.knowledge.registry,
            clock,
            self._metrics.decoded,
        )
        self._decoding = Decoding(self._deferred)
        self._worker = Worker(
            subscriber=self._subscriber,
            reader=self._reader,
            pipeline=Pipeline(self._database, judgement),
            receipts=self._receipts,
            metrics=self._metrics,
            settings=settings.ingest,
            load=self._reload,
            deferred=self._decoding.wake,
        )
        self._series = (
            SeriesProjection(self._database, settings.series.path) if settings.series.path else None
        )
        self._health = HealthServer(
            settings.ingest.metrics_port, self._metrics.registry, self._worker.is_alive, self._facts
        )
        self._sql = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._running = ExitStack()
        self._running.callback(self._database.close)
        self._running.callback(self._sql.shutdown)
        self._running.callback(self._families.close)
        self._working_since: datetime | None = None

    def start(self) -> None:
        """Start everything; it is ready when `beat` says so."""
        with self._database.read() as connection:
            self._receipts.start(open_accounts(connection))
        self._running.callback(self._receipts.stop)
        self._receipts.prefer(prefer(self._reader.knowledge))
        self._health.start()
        self._running.callback(self._health.stop)
        if self._series is not None:
            self._series.start()
            self._running.callback(self._series.stop)
        self._decoding.start()
        self._running.callback(self._decoding.stop)
        self._subscriber.start()
        self._running.callback(self._subscriber.stop)
        self._worker.start()
        self._running.callback(self._worker.stop)

    def stop(self) -> None:
        """Stop what was started; what is not committed was not acknowledged."""
        self._running.close()

    async def watch(self) -> None:
        """Raise PipelineFailed when a thread that commits has ended."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for thread in (self._worker, self._decoding):
                if not thread.is_alive():
                    raise PipelineFailed from thread.error

    async def beat(self) -> None:
        """Say every 2 s that ingest works, while it is subscribed and keeps up."""
        announced = False
        while True:
            works = all(self._facts().values())
            behind = self._subscriber.waiting > self._settings.ingest.queue // 2
            if not works or behind:
                self._working_since = None
            elif self._working_since is None:
                self._working_since = self._clock.now()
            if works and await self._in_sql(self._say_beat) and not announced:
                announced = True
                ready.announce("ingest", metrics=f"{self._health.url}/metrics")
            await asyncio.sleep(liveness.BEAT_S if announced else _LOOK_S)

    async def look(self) -> None:
        """Keep the gauges true."""
        while True:
            self._metrics.waiting.set(self._subscriber.waiting)
            if self._series is not None:
                self._metrics.series_lag.labels("series").set(self._series.lag)
            await self._in_sql(self._audit)
            await asyncio.sleep(_AUDIT_S)

    async def sweep(self) -> None:
        """Keep quarantine and rings within their bounds."""
        sweep = Sweep(self._database)
        while True:
            await self._in_sql(sweep.step)
            await asyncio.sleep(_SWEEP_S)

    async def tell(self) -> None:
        """Say aloud which calls for help may wait unread."""
        while True:
            await self._in_sql(self._deferred.tell)
            await asyncio.sleep(_TELL_S)

    # -- inside -------------------------------------------------------------

    async def _in_sql(self, work: object) -> bool:
        """Run blocking SQL in its thread; False when the store is unavailable."""
        assert callable(work)
        try:
            await asyncio.get_running_loop().run_in_executor(self._sql, work)
        except StoreUnavailable as error:
            _log.debug("store_unavailable", error=str(error))
            return False
        return True

    def _facts(self) -> dict[str, bool]:
        return {
            "subscribed": self._subscriber.connected,
            "ledger": not self._worker.failing,
            "pipeline": self._worker.is_alive(),
        }

    def _say_beat(self) -> None:
        since = self._working_since
        with self._database.write() as tx:  # also where nothing is said: it proves the ledger
            if since is not None:
                liveness.beat(tx, liveness.INGEST, since)

    def _audit(self) -> None:
        with self._database.read() as connection:
            rows = accounts.audit(connection, self._clock.now())
            self._metrics.pending.set(pending.count(connection))
        for row in rows:
            self._metrics.missing.labels(row.gateway_eui, row.epoch).set(row.missing)

    def _reload(self, known: Knowledge) -> Knowledge | None:
        fresh = self._loader.reload(known)
        if fresh is not None:
            self._receipts.prefer(prefer(fresh))
        return fresh

    def _connected(self) -> None:
        self._receipts.connected()

    def _publish(self, topic: str, payload: bytes) -> bool:
        live = self._subscriber.clients()[0]
        return live.publish(topic, payload, retain=True) is not None
