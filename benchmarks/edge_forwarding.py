"""How an agent comes back after an outage: its backlog drains while live frames keep coming.

Real processes: mosquitto and an agent whose outbox was filled before it starts, with `--frames`
ordinary frames. This process sends live frames by UDP, subscribes as ingest does, and gives
receipts, five a second at most. Live is measured by this process's monotonic clock, from before the
datagram is sent until the message was read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
from chirpstack_api import gw

from edge.dating import Dating
from edge.host import Host
from edge.outbox.outbox import Outbox
from edge.record import Arrival
from edge.settings import OutboxSettings
from khaen import topics
from khaen.clock import SystemClock
from khaen.ids import Epoch
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from khaen.receipt import Receipt
from khaen.uplink import Kind, Origin
from khaen.wire import parse
from tests.edge.agent import PacketForwarder, forwarding
from tests.edge.fixtures import GATEWAY
from tests.support.broker import Mosquitto
from tests.support.receipts import cover

REPOSITORY = Path(__file__).resolve().parent.parent
FRAMES, LIVE_PER_S, RATE = 20_000, 50.0, 5_000
STEP, GATHER_S, TOLD_EVERY_S, STUCK_S = 500, 0.2, 10.0, 9.0
LIVE = b"\x40live"
AIM_P99_MS = 100.0


class Ingest:
    """A stand-in: takes all, and says what it has."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        """Milliseconds of each live frame."""
        self.late = 0
        self._watermark, self._above = 0, set[int]()
        self._epoch: Epoch | None = None
        self._since = SystemClock().now()
        self._ready, self._over = threading.Event(), threading.Event()
        wanted = (topics.up("as923", GATEWAY), topics.live(GATEWAY), topics.backlog(GATEWAY))
        self._client = Client(
            MqttSettings(port=port),
            Session(client_id="ingest", subscriptions=wanted, window=1000),
            Handlers(message=self._take, connected=self._ready.set),
        )
        self._client.start()
        assert self._ready.wait(10)
        self._thread = threading.Thread(target=self._receipt)
        self._thread.start()

    @property
    def settled(self) -> int:
        """All numbers up to this one have come."""
        return self._watermark

    def _take(self, message: Message) -> None:
        now = time.monotonic()
        self._client.ack(message)
        heard = parse(GATEWAY, message.payload)
        assert heard.number is not None
        self.late += message.topic.endswith("/backlog")
        if heard.payload.startswith(LIVE) and message.topic.endswith("/up"):
            (sent,) = struct.unpack_from("<d", heard.payload, len(LIVE))
            self.waits.append((now - sent) * 1000)
        self._epoch = heard.number.epoch
        if heard.number.seq > self._watermark:
            self._above.add(heard.number.seq)
        while self._watermark + 1 in self._above:
            self._watermark += 1
            self._above.remove(self._watermark)

    def _receipt(self) -> None:
        while not self._over.wait(GATHER_S):
            if self._epoch is None:
                continue
            above = sorted(self._above.copy())
            entry = cover(self._epoch, self._watermark, above, conflict=False)
            body = Receipt(
                site="bench",
                ledger="one",
                since=self._since,
                at=SystemClock().now(),
                epochs=(entry,),
            )
            self._client.publish(topics.receipt(GATEWAY), body.model_dump_json().encode())

    def close(self) -> None:
        """Go away."""
        self._over.set()
        self._thread.join()
        self._client.stop()


def fill(path: Path, frames: int) -> None:
    """Put ordinary frames into an outbox, as an outage would, and a list of what goes first."""
    clock, host = SystemClock(), Host()
    dating = Dating(clock, host, trust=True)
    outbox = Outbox(
        path,
        gateway=GATEWAY,
        origin=Origin.SIMULATED,
        clock=clock,
        host=host,
        dating=dating,
        bounds=OutboxSettings().bounds(),
    )
    for start in range(0, frames, STEP):
        arrivals = [make_arrival(dating) for _ in range(min(STEP, frames - start))]
        outbox.run([partial(outbox.append, arrivals)])
    wanted = {"v": 1, "prefixes": [], "dev_addrs": ["01020304"], "f_ports": []}
    outbox.run([partial(outbox.keep, "priority", json.dumps(wanted))])
    outbox.close()


def make_arrival(dating: Dating) -> Arrival:
    """An ordinary frame."""
    rx = gw.UplinkRxInfo(gateway_id=GATEWAY, rssi=-60, snr=5.5, context=bytes(4))
    return Arrival(
        kind=Kind.LORAWAN,
        frame=gw.UplinkFrame(phy_payload=os.urandom(24), rx_info=rx).SerializeToString(),
        priority=False,
        origin=Origin.SIMULATED,
        instant=dating.hear(),
        heard=0.0,
        live_s=2.0,
    )


@contextmanager
def agent(folder: Path, mqtt_port: int, rate: float) -> Iterator[tuple[psutil.Process, int]]:
    """An agent and its UDP port."""
    config = folder / "edge.toml"
    config.write_text(
        f'gateway_eui = "{GATEWAY}"\nsite = "bench"\nsimulated = true\n'
        "metrics_port = 0\ntrust_clock = true\n"
        f"[udp]\nport = 0\n[mqtt]\nport = {mqtt_port}\n"
        f'[outbox]\npath = "{folder / "outbox.sqlite"}"\n[forward]\nbacklog_rate = {rate}\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.main", "run", "--config", str(config)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        udp = json.loads(process.stdout.readline())["udp"]
        yield psutil.Process(process.pid), int(udp.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def feed(radio: PacketForwarder, over: threading.Event, per_s: float) -> None:
    """Live frames, evenly."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        radio.push(LIVE + struct.pack("<d", time.monotonic()) + bytes(12))
        while radio.collect(0.0):
            pass
        due += 1 / per_s


def drain(folder: Path, frames: int, rate: float) -> None:
    """Measure and print one drain."""
    begun = time.monotonic()
    fill(folder / "outbox.sqlite", frames)
    size = (folder / "outbox.sqlite").stat().st_size
    print(f"filled: {frames} frames, {size / 1e6:.0f} MB, in {time.monotonic() - begun:.0f} s")
    broker = Mosquitto(folder / "broker", settings=["set_tcp_nodelay true"])
    broker.start()
    ingest = Ingest(broker.port)
    over = threading.Event()
    try:
        with agent(folder, broker.port, rate) as (process, udp), forwarding(udp) as radio:
            feeding = threading.Thread(target=feed, args=(radio, over, LIVE_PER_S))
            feeding.start()
            try:
                watch(ingest, process, frames)
            finally:
                over.set()
                feeding.join()
    finally:
        ingest.close()
        broker.stop()


def watch(ingest: Ingest, process: psutil.Process, frames: int) -> None:
    """Tell each while how far it is, and all of it in the end."""
    begun = told = time.monotonic()
    cpu = sum(process.cpu_times()[:2])
    resident, last, pace = [process.memory_info().rss], 0, list[float]()
    while ingest.settled < frames:
        time.sleep(0.1)
        now = time.monotonic()
        if now - told > STUCK_S and ingest.settled == last:
            raise SystemExit(f"the drain stands still at {last} of {frames}")
        if now - told >= TOLD_EVERY_S:
            pace.append((ingest.settled - last) / (now - told))
            resident.append(process.memory_info().rss)
            told, last = now, ingest.settled
    elapsed = time.monotonic() - begun
    cpu = sum(process.cpu_times()[:2]) - cpu
    waits = ingest.waits
    tail = statistics.quantiles(waits, n=100)[98]
    print(f"drained: {frames / elapsed:.0f} frames/s over {elapsed:.0f} s")
    if len(pace) > 1:
        print(f"pace of the first and last {TOLD_EVERY_S:.0f} s: {pace[0]:.0f}, {pace[-1]:.0f}")
    print(
        f"live meanwhile, datagram to subscriber: p50 {statistics.median(waits):.1f} ms,"
        f" p99 {tail:.1f} ms, longest {max(waits):.0f} ms, of {len(waits)}"
        f" (aim for p99: {AIM_P99_MS:.0f} ms)"
    )
    print(f"messages by the backlog for each frame: {ingest.late / frames:.3f}")
    resident.append(process.memory_info().rss)
    first, most = resident[min(1, len(resident) - 1)] / 2**20, max(resident) / 2**20
    print(f"resident: {first:.1f} MiB early, {most:.1f} MiB at most; CPU {cpu / elapsed:.0%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--rate", type=float, default=RATE, help="forward.backlog_rate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        drain(Path(folder), options.frames, options.rate)


if __name__ == "__main__":
    main()
