"""Ingest: uplinks/s from gateway frames through mosquitto (QoS 1) to committed and acknowledged.

One ingest process, SQLite with synchronous=FULL, live frames of 1,000 devices by 10 gateways that
wait at the broker when ingest starts. Per core is per second of the ingest process's own CPU time.
Memory is resident size at rest and after 100,000 uplinks. The median of ROUNDS rounds is printed.
`--profile` runs one round under cProfile and prints where the time goes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from khaen.ids import DevEui, GatewayEui
from khaen.site.model import Site
from store import migrate
from store.database import Database
from tests.support.broker import Mosquitto
from tests.support.traffic import KEY, Device, Gateway, apply_site, dev_addr, make_site, telemetry

FRAMES, MANY, ROUNDS, DEVICES, GATEWAYS, BATCH = 20_000, 100_000, 3, 1_000, 10, 10_000
_INGEST = """
import sys
from pathlib import Path
from khaen import log, settings
from ingest import program
log.configure(level="WARNING", program="ingest")
program.run(settings.load(settings.Settings, Path(sys.argv[1])))
"""
_PROFILE = """
import cProfile, pstats, threading
from ingest import worker
profile = cProfile.Profile()
turn = worker.Worker._turn
def profiled(self):
    profile.enable()
    try:
        turn(self)
    finally:
        profile.disable()
worker.Worker._turn = profiled
"""
_REPORT = """
pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One round: wall-clock rate, rate per CPU second, memory in MB."""

    per_second: float
    per_core: float
    at_rest: float
    after: float


def make_big_site() -> Site:
    """Wristbands and city sensors, half and half."""
    devices = [
        {
            "dev_eui": dev_eui,
            "family": "khaen_wristband" if i % 2 else "milesight_em300_th",
            "organisation": "ward",
            "dev_addr": dev_addr(dev_eui),
        }
        for i, dev_eui in enumerate(_devices())
    ]
    gateways = [{"eui": eui, "name": eui, "organisation": "ward"} for eui in _gateways()]
    return make_site(devices=devices, gateways=gateways)


def _devices() -> list[DevEui]:
    return [DevEui(f"a1b2c3d4e5f6{i:04x}") for i in range(DEVICES)]


def _gateways() -> list[GatewayEui]:
    return [GatewayEui(f"0016c001f153a1{i:02x}") for i in range(GATEWAYS)]


class Bench:
    """A broker, a ledger, and an ingest that is started when frames wait for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Mosquitto(folder / "broker", settings=["max_queued_messages 0"])
        self.broker.start()
        self.database = Database(f"sqlite:///{folder}/ledger.sqlite")
        migrate.upgrade(self.database)
        apply_site(self.database, make_big_site())
        (folder / "key").write_bytes(KEY.get_secret_value())
        self.settings = folder / "khaen.toml"
        self.settings.write_text(
            f'[ledger]\nurl = "sqlite:///{folder}/ledger.sqlite"\nkey_file = "{folder}/key"\n'
            f"[mqtt]\nport = {self.broker.port}\n[ingest]\nmetrics_port = 0\n"
        )
        self._devices = [Device(dev_eui) for dev_eui in _devices()]
        self._ciphers = [device.cipher() for device in self._devices]
        self._gateways = [Gateway(eui) for eui in _gateways()]
        self._count = 0

    def close(self) -> None:
        """Stop everything."""
        self.database.close()
        self.broker.stop()

    def start(self, *, profile: bool = False) -> tuple[subprocess.Popen[bytes], str]:
        """Run ingest until it is ready: the process and its metrics' address."""
        script = _PROFILE + _INGEST + _REPORT if profile else _INGEST
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(self.settings)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())["metrics"]

    def publish(self, frames: int) -> None:
        """Put frames on the broker, each device in turn."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.max_inflight_messages_set(1000)
        client.connect(self.broker.host, self.broker.port)
        client.loop_start()
        for i in range(frames):
            published = client.publish(*self._frame(), qos=1)
            if i % BATCH == BATCH - 1 or i == frames - 1:  # paho's own queue has an end
                published.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    def _frame(self) -> tuple[str, bytes]:
        i = self._count % DEVICES
        device, gateway = self._devices[i], self._gateways[self._count % GATEWAYS]
        payload = telemetry() if i % 2 else bytes.fromhex("0367ee00046871")
        port = 10 if i % 2 else 85
        phy = self._ciphers[i].seal_uplink(f_cnt=device.f_cnt, f_port=port, payload=payload)
        device.f_cnt += 1
        self._count += 1
        return gateway.up, gateway.hear(phy, datetime.now(UTC))


def committed(metrics: str) -> float:
    """How many messages ingest has committed, by its own metrics."""
    with urllib.request.urlopen(metrics) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("khaen_ingest_messages_total "):
                return float(line.split()[1])
    raise AssertionError("no such metric")


def measure(frames: int, *, profile: bool = False) -> Result:
    """One round."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            process, _ = bench.start()  # so that the broker keeps messages for it
            process.terminate()
            process.wait()
            bench.publish(frames)
            process, metrics = bench.start(profile=profile)
            watched = psutil.Process(process.pid)
            at_rest = watched.memory_info().rss / 1e6
            first, started, cpu = committed(metrics), time.perf_counter(), watched.cpu_times()
            while committed(metrics) < frames:
                time.sleep(0.05)
            seconds = time.perf_counter() - started
            used = watched.cpu_times()
            after = watched.memory_info().rss / 1e6
            process.terminate()
            process.wait()
            with bench.database.read() as connection:
                rows = connection.exec_driver_sql("SELECT count(*) FROM uplink").scalar_one()
            assert rows == frames, f"{rows} of {frames} in the ledger"
        finally:
            bench.close()
    busy = used.user + used.system - cpu.user - cpu.system
    return Result(
        per_second=(frames - first) / seconds,
        per_core=(frames - first) / busy,
        at_rest=at_rest,
        after=after,
    )


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if arguments.profile:
        print(measure(FRAMES, profile=True))
        return
    rounds = [measure(FRAMES) for _ in range(ROUNDS)]
    print(f"uplinks/s, committed and acknowledged  {median(r.per_second for r in rounds):10,.0f}")
    print(f"uplinks per second of CPU              {median(r.per_core for r in rounds):10,.0f}")
    many = measure(MANY)
    print(f"memory at rest                         {many.at_rest:10,.1f} MB")
    print(f"memory after {MANY:,} uplinks          {many.after:10,.1f} MB")


if __name__ == "__main__":
    main()
