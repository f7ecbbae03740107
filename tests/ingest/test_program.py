"""The ingest program as a process of its own, before a real broker."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from khaen import receipt, topics
from khaen.receipt import Receipt
from khaen.site.model import Site
from khaen.uplink import Kind, Origin
from store import accounts
from store.database import Database
from store.series import Series
from tests.support.broker import Mosquitto
from tests.support.traffic import (
    GATEWAYS,
    KEY,
    WRISTBAND,
    Device,
    Gateway,
    apply_site,
    make_ledger,
    make_site,
    telemetry,
)

pytestmark = pytest.mark.end_to_end
_RUN = """
import sys
from pathlib import Path
from ingest import program
from khaen import log, settings
log.configure(level="INFO", program="ingest")
program.run(settings.load(settings.Settings, Path(sys.argv[1])))
"""


class Running:
    """A ledger, a broker, an ingest that can be killed, and a client that sends and listens."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.broker = folder, broker
        self.database: Database = make_ledger(folder)
        (folder / "ledger.key").write_bytes(KEY.get_secret_value())
        (folder / "khaen.toml").write_text(
            f'[ledger]\nurl = "sqlite:///{folder}/ledger.sqlite"\n'
            f'key_file = "{folder}/ledger.key"\n'
            f'[series]\npath = "{folder}/series.sqlite"\n'
            f"[mqtt]\nport = {broker.port}\n[ingest]\nmetrics_port = 0\n"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.client = self._client()

    def _client(self) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.on_message = lambda _c, _u, m: self.received.put((m.topic, bytes(m.payload)))
        client.on_connect = lambda c, *_: c.subscribe("khaen/#", 1)
        client.reconnect_delay_set(1, 1)
        client.connect(self.broker.host, self.broker.port)
        client.loop_start()
        return client

    def start(self) -> None:
        """Run ingest until it says that it is ready."""
        with (self.folder / "ingest.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(self.folder / "khaen.toml")],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "ingest.log").read_text()
        self.url = json.loads(line)["metrics"].removesuffix("/metrics")

    def end(self, by: signal.Signals = signal.SIGTERM) -> float:
        """End ingest; how many seconds that took."""
        assert self.process is not None
        assert self.process.stdout is not None
        started = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(10)
        self.process.stdout.close()
        if by is signal.SIGTERM:
            assert self.process.returncode == 0, (self.folder / "ingest.log").read_text()
        self.process = None
        return time.monotonic() - started

    def close(self) -> None:
        """Stop everything."""
        if self.process is not None:
            self.end(signal.SIGKILL)
        self.client.disconnect()
        self.client.loop_stop()
        # paho closes its last sockets when nothing refers to the client any more.
        self.client.on_message = self.client.on_connect = None
        del self.client
        self.database.close()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it."""
        self.client.publish(topic, payload, 1).wait_for_publish(10)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of ingest's pages."""
        try:
            with urllib.request.urlopen(self.url + path) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger says."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def wait_for(self, sql: str, wanted: object, seconds: float = 20.0) -> None:
        """Wait until the ledger says so."""
        deadline = time.monotonic() + seconds
        while (found := self.rows(sql)[0][0]) != wanted:
            assert time.monotonic() < deadline, f"{sql}: {found}, not {wanted}"
            time.sleep(0.02)

    def receipt_for(self, gateway: Gateway, wanted: Callable[[Receipt], bool]) -> Receipt:
        """The next receipt of a gateway that is as wanted."""
        deadline = time.monotonic() + 10
        while True:
            topic, payload = self.received.get(timeout=max(0.0, deadline - time.monotonic()))
            if topic == topics.receipt(gateway.eui):
                found = receipt.parse(payload)
                if wanted(found):
                    return found


@pytest.fixture
def running(tmp_path: Path, mosquitto: Callable[..., Mosquitto]) -> Iterator[Running]:
    found = Running(tmp_path, mosquitto(settings=["max_queued_messages 0"]))
    found.start()
    yield found
    found.close()


def now() -> datetime:
    return datetime.now(UTC)


def test_from_the_broker_to_the_ledger_and_back(running: Running) -> None:
    gateway, device = Gateway(), Device(WRISTBAND)
    running.send(gateway.up, gateway.hear(device.say(telemetry()), now(), seq=1))
    found = running.receipt_for(gateway, lambda r: bool(r.epochs))
    assert (found.site, found.epochs[0].watermark) == ("test", 1)
    running.send(gateway.up, gateway.hear(device.say(telemetry()), now(), seq=4))
    found = running.receipt_for(gateway, lambda r: r.epochs[0].upto == 4)
    assert (found.epochs[0].watermark, found.epochs[0].missing) == (1, ((2, 3),))
    for seq in (3, 2):
        payload = gateway.hear(b"", now(), kind=Kind.HEARTBEAT, origin=Origin.HEARTBEAT, seq=seq)
        running.send(topics.backlog(gateway.eui), payload)
    running.receipt_for(gateway, lambda r: r.epochs[0].watermark == 4)
    assert running.get("/ready")[0] == running.get("/health")[0] == 200
    assert "khaen_ingest_messages_total 4.0" in running.get("/metrics")[1]
    assert running.end() < 2.0


def test_the_registry_is_read_again_when_it_changes(running: Running) -> None:
    gateway = Gateway()
    newcomer = Device(type(WRISTBAND)("a1b2c3d4e5f60099"))
    running.send(gateway.up, gateway.hear(newcomer.say(telemetry()), now()))
    running.wait_for("SELECT count(*) FROM quarantine WHERE reason = 'unknown_address'", 1)
    apply_site(running.database, _with(newcomer))
    started = time.monotonic()
    while True:
        running.send(gateway.up, gateway.hear(newcomer.say(telemetry()), now()))
        if running.rows("SELECT count(*) FROM uplink") != [(0,)]:
            break
        assert time.monotonic() - started < 3.0, "the change was not noticed"
        time.sleep(0.1)


def _with(newcomer: Device) -> Site:
    devices = [device.model_dump(mode="json") for device in make_site().devices]
    added = devices[0] | {"dev_eui": newcomer.dev_eui, "dev_addr": "26010099"}
    return make_site(devices=[*devices, added])


def test_readings_reach_the_series_and_it_is_built_again(running: Running) -> None:
    gateway, device = Gateway(), Device(WRISTBAND)
    for heart_rate in (61, 62, 63):
        running.send(gateway.up, gateway.hear(device.say(telemetry(heart_rate)), now()))
    running.wait_for("SELECT count(*) FROM uplink", 3)
    path = running.folder / "series.sqlite"
    assert _heart_rates(path, 3) == [61, 62, 63]
    running.end()
    for file in running.folder.glob("series.sqlite*"):
        file.unlink()
    running.start()
    assert _heart_rates(path, 3) == [61, 62, 63]


def _heart_rates(path: Path, count: int) -> list[float]:
    deadline = time.monotonic() + 10
    while True:
        series = Series(path)
        points = series.read(dev_eui=WRISTBAND, quantity="heart_rate", since=0, until=1 << 62)
        series.close()
        if len(points) >= count:
            return [point.value for point in points]
        assert time.monotonic() < deadline, points
        time.sleep(0.05)


class Load(threading.Thread):
    """Frames at a steady rate by three gateways until it is told to stop."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running, self.over = running, threading.Event()
        self.gateways = [Gateway(eui) for eui in GATEWAYS[:3]]
        self.device = Device(WRISTBAND)
        self.sent: list[tuple[str, bytes]] = []

    def run(self) -> None:
        while not self.over.wait(0.002):
            phy = self.device.say(telemetry())
            for gateway in self.gateways:
                message = gateway.up, gateway.hear(phy, now())
                self.sent.append(message)
                self.running.client.publish(*message, 1)

    def stop(self) -> None:
        self.over.set()
        self.join()


def test_killed_at_random_moments_under_load(running: Running) -> None:
    """What was not committed was not acknowledged: the broker sends it again."""
    load = Load(running)
    load.start()
    for moment in (0.4, 0.15, 0.7):
        time.sleep(moment)
        running.end(signal.SIGKILL)
        running.start()
    time.sleep(0.3)
    load.stop()
    running.wait_for("SELECT sum(committed) FROM gateway_epoch", len(load.sent), 40.0)
    with running.database.read() as connection:
        rows = accounts.audit(connection)
    assert [row.missing for row in rows] == [0, 0, 0]
    uplinks = len(load.sent) // 3
    assert running.rows("SELECT count(*), min(receptions), max(receptions) FROM uplink") == [
        (uplinks, 3, 3)
    ]
    assert running.rows("SELECT count(*) FROM reception") == [(len(load.sent),)]
    assert running.rows("SELECT count(*) FROM journal WHERE kind = 'admitted'") == [(uplinks,)]


def test_a_locked_ledger_loses_nothing(running: Running) -> None:
    load = Load(running)
    load.start()
    time.sleep(0.2)
    with running.database.write():
        time.sleep(1.0)
    time.sleep(0.2)
    load.stop()
    running.wait_for("SELECT sum(committed) FROM gateway_epoch", len(load.sent), 40.0)


def test_the_broker_forgets_and_the_gateway_sends_again(running: Running) -> None:
    gateway, device = Gateway(), Device(WRISTBAND)
    running.send(gateway.up, gateway.hear(device.say(telemetry()), now(), seq=1))
    first = running.receipt_for(gateway, lambda r: bool(r.epochs))
    running.broker.kill()
    running.broker.start()
    again = running.receipt_for(gateway, lambda r: r.since > first.since)
    assert again.ledger == first.ledger
    lost = gateway.hear(device.say(telemetry()), now(), seq=2)
    running.send(topics.backlog(gateway.eui), lost)
    running.receipt_for(gateway, lambda r: r.epochs[0].watermark == 2)
