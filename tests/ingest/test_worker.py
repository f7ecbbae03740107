"""The thread that commits: groups, what the store does not take, what poisons a group."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.item import Alert, Item
from ingest.ledger import Committed
from ingest.metrics import Metrics
from ingest.pipeline import Pipeline
from ingest.reader import Knowledge
from ingest.receipts import Receipts
from ingest.subscriber import Subscriber
from ingest.worker import Worker
from khaen.clock import SystemClock
from khaen.errors import StoreUnavailable
from khaen.ids import OrganisationId, device_subject
from khaen.mqtt import Message, MqttSettings
from khaen.settings import IngestSettings
from store.quarantine import Refused
from tests.support.in_process import InProcess
from tests.support.traffic import WRISTBAND, Device, Gateway, telemetry

SOS = bytes((0x10, 1, 90, 0))


class Faulty(Pipeline):
    """A pipeline that fails when told to."""

    def __init__(self, inner: Pipeline) -> None:
        self._inner = inner
        self.away = threading.Event()
        self.groups: list[int] = []
        self.tries = 0

    def commit(self, items: Sequence[Item], knowledge: Knowledge) -> Committed:
        self.tries += 1
        if self.away.is_set():
            raise StoreUnavailable("database is locked")
        for item in items:
            if b"poison" in item.arrival.message.payload and not isinstance(item.content, Refused):
                raise ZeroDivisionError
        committed = self._inner.commit(items, knowledge)
        self.groups.append(len(items))
        return committed


class Bench:
    """A worker whose subscriber is fed by hand; nothing connects."""

    def __init__(self, ingest: InProcess, settings: IngestSettings) -> None:
        self.ingest = ingest
        self.gateway, self.device = Gateway(), Device(WRISTBAND)
        self.subscriber = Subscriber(MqttSettings(), settings, SystemClock())
        self.pipeline = Faulty(ingest.pipeline)
        self.published: list[str] = []
        self.receipts = Receipts(
            site=lambda: "test",
            ledger="1",
            publish=self._publish,
            clock=SystemClock(),
            gather_s=0.05,
        )
        self.worker = Worker(
            subscriber=self.subscriber,
            reader=ingest.reader,
            pipeline=self.pipeline,
            receipts=self.receipts,
            metrics=Metrics(),
            settings=settings,
            load=lambda _known: None,
        )

    def _publish(self, topic: str, _payload: bytes) -> bool:
        self.published.append(topic)
        return True

    def start(self) -> None:
        self.receipts.start([])
        self.worker.start()

    def stop(self) -> None:
        self.worker.stop()
        self.receipts.stop()

    def send(self, payload: bytes, f_port: int = 10) -> None:
        at = self.ingest.now()
        self.put(self.gateway.up, self.gateway.hear(self.device.say(payload, f_port), at))

    def put(self, topic: str, payload: bytes) -> None:
        lane = self.subscriber._lanes[0]
        self.subscriber._receive(
            lane,
            Message(topic=topic, payload=payload, qos=1, retain=False, connection=1, mid=1),
        )

    def committed(self) -> int:
        return int(self.ingest.rows("SELECT coalesce(sum(committed), 0) FROM gateway_epoch")[0][0])


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)


@pytest.fixture
def bench(ingest: InProcess) -> Iterator[Bench]:
    found = Bench(ingest, IngestSettings(group_ms=200, group_frames=10, hold_s=0.3))
    yield found
    found.stop()


def test_a_group_closes_when_it_is_full_or_urgent(bench: Bench) -> None:
    for _ in range(23):
        bench.send(telemetry())
    bench.send(SOS, 11)
    bench.send(telemetry())
    bench.start()
    until(lambda: sum(bench.pipeline.groups) == 25)
    assert bench.pipeline.groups == [10, 10, 4, 1]
    assert bench.committed() == 25


def test_an_urgent_frame_does_not_wait_for_its_group(ingest: InProcess) -> None:
    never = IngestSettings().model_copy(update={"group_ms": 3_600_000.0})
    bench = Bench(ingest, never)
    bench.start()
    try:
        bench.send(telemetry())
        bench.send(SOS, 11)
        until(lambda: bench.pipeline.groups == [2])
        assert bench.committed() == 2
    finally:
        bench.stop()


def test_what_the_store_does_not_take_waits_and_nothing_is_lost(bench: Bench) -> None:
    bench.pipeline.away.set()
    bench.start()
    for _ in range(15):
        bench.send(telemetry())
    until(lambda: bench.worker.failing and bench.pipeline.tries > 3)
    assert bench.committed() == 0
    assert bench.published == []
    bench.pipeline.away.clear()
    until(lambda: bench.committed() == 15)
    until(lambda: len(bench.published) > 0)
    assert not bench.worker.failing


def test_a_poisoned_frame_costs_itself_only(bench: Bench) -> None:
    for payload in (telemetry(), telemetry(), telemetry()):
        bench.send(payload)
    bench.put(bench.gateway.up, bench.gateway.hear(b"\xe0poison", bench.ingest.now()))
    bench.send(telemetry())
    bench.ingest.reader.read = _never_refuse(bench)  # type: ignore[method-assign]
    bench.start()
    until(lambda: bench.committed() == 5)
    assert bench.ingest.rows("SELECT reason, detail FROM quarantine") == [
        ("frame_failed", "ZeroDivisionError")
    ]
    assert bench.ingest.rows("SELECT count(*) FROM uplink") == [(4,)]
    bench.send(telemetry())
    until(lambda: bench.committed() == 6)


def test_an_alert_that_fails_does_not_cost_the_call_beside_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_facts: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ingest.ledger.alarms.raise_technical", fail)
    read = bench.ingest.reader.read
    alert = Alert(
        organisation=OrganisationId("ward"),
        subject=device_subject(WRISTBAND),
        rule="clock",
        reason="clock_off",
    )
    monkeypatch.setattr(
        bench.ingest.reader, "read", lambda arrival: replace(read(arrival), alerts=[alert])
    )
    bench.send(SOS, 11)
    bench.start()
    until(lambda: bench.committed() == 1)
    assert bench.ingest.rows("SELECT rule FROM alarm") == [("sos",)]
    assert bench.ingest.rows("SELECT reason FROM quarantine") == []


def _never_refuse(bench: Bench) -> Callable[..., Item]:
    """Reading that lets the poison pass as a good frame, so that it fails in the transaction."""
    read = type(bench.ingest.reader).read

    def passing(arrival: object) -> Item:
        item = read(bench.ingest.reader, arrival)  # type: ignore[arg-type]
        if isinstance(item.content, Refused):
            good = bench.gateway.hear(bench.device.say(telemetry()), bench.ingest.now(), seq=999)
            message = Message(
                topic=bench.gateway.up, payload=good, qos=1, retain=False, connection=1, mid=1
            )
            content = read(
                bench.ingest.reader, type(item.arrival)(message, item.arrival.at, item.arrival.way)
            ).content
            return Item(arrival=item.arrival, content=content, entry=item.entry)
        return item

    return passing


def test_a_full_disk_pauses_the_stream(tmp_path: Path) -> None:
    """The ledger's own file may not grow: SQLite says FULL, and goes on when it may."""
    ingest = InProcess(tmp_path)
    bench = Bench(ingest, IngestSettings(group_ms=5, group_frames=10))

    def limit(pages: int) -> None:
        # The pool has one connection by now for this thread's work and the worker's.
        for connection in [ingest.database.engine.raw_connection() for _ in range(4)]:
            connection.cursor().execute(f"PRAGMA max_page_count = {pages}").close()
            connection.close()

    with ingest.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limit(pages)
    bench.start()
    for _ in range(400):
        bench.send(telemetry())
    until(lambda: bench.worker.failing)
    before = Counter(ingest.rows("SELECT seq FROM gateway_number"))
    limit(1 << 30)
    until(lambda: bench.committed() == 400)
    assert before <= Counter(ingest.rows("SELECT seq FROM gateway_number"))
    assert ingest.rows("SELECT count(*) FROM uplink") == [(400,)]
    bench.stop()
    ingest.close()
