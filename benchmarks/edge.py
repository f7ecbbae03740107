"""The gateway agent: durable frames a second, how soon an alarm is on disk, what it costs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import structlog
from chirpstack_api import gw

from edge.dating import Dating
from edge.host import Host
from edge.outbox.bounds import Bounds
from edge.outbox.outbox import Outbox
from edge.outbox.writer import Writer
from edge.record import Arrival
from edge.settings import OutboxSettings
from khaen.clock import SystemClock
from khaen.ids import GatewayEui
from khaen.uplink import Kind, Origin

REPOSITORY = Path(__file__).resolve().parent.parent
GATEWAY = GatewayEui("0016c001f153a14c")
BOUNDS = OutboxSettings().bounds()
TIGHT = replace(BOUNDS, quota=8 << 20)
FULL = 30_000
"""Ordinary frames that wait: more than TIGHT has room for."""
ROUNDS, FRAMES, ALARMS, IN_FLIGHT, GROUP_S = 5, 5_000, 300, 256, 0.010


def make_writer(folder: Path, bounds: Bounds) -> tuple[Writer, Dating]:
    clock, host = SystemClock(), Host()
    dating = Dating(clock, host, trust=True)
    outbox = Outbox(
        folder / "outbox.sqlite",
        gateway=GATEWAY,
        origin=Origin.SIMULATED,
        clock=clock,
        host=host,
        dating=dating,
        bounds=bounds,
    )
    return Writer(outbox, limit=100_000), dating


def make_arrival(dating: Dating, *, priority: bool) -> Arrival:
    rx = gw.UplinkRxInfo(gateway_id=GATEWAY, rssi=-60, snr=5.5, context=bytes(4))
    return Arrival(
        kind=Kind.LORAWAN,
        frame=gw.UplinkFrame(phy_payload=os.urandom(24), rx_info=rx).SerializeToString(),
        priority=priority,
        origin=Origin.SIMULATED,
        instant=dating.hear(),
        heard=0.0,
        live_s=2.0,
    )


async def measure_throughput(folder: Path) -> tuple[float, float]:
    """Frames a second, and bytes that the process wrote for each, a bounded number in flight."""
    writer, dating = make_writer(folder, BOUNDS)
    arrivals = [make_arrival(dating, priority=False) for _ in range(FRAMES)]
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def store(arrival: Arrival) -> None:
        async with gate:
            await writer.submit(partial(writer.outbox.append, [arrival]), patience=GROUP_S)

    written, begun = read_written(), time.perf_counter()
    await asyncio.gather(*(store(arrival) for arrival in arrivals))
    elapsed = time.perf_counter() - begun
    written = read_written() - written
    await writer.close()
    return FRAMES / elapsed, written / FRAMES


def read_written() -> int:
    """Bytes that this process has handed to the disks, as the kernel counts them."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


async def measure_alarms(folder: Path, bounds: Bounds) -> tuple[float, float]:
    """Milliseconds (p50, p99) from hearing a priority frame to its being on disk, over a background
    of 100 ordinary frames a second, and whatever the bounds make it shed.
    """
    writer, dating = make_writer(folder, bounds)
    ordinary = [make_arrival(dating, priority=False) for _ in range(100)]
    for _ in range(FULL // len(ordinary)):
        await writer.submit(partial(writer.outbox.append, ordinary))

    async def murmur() -> None:
        while True:
            arrival = make_arrival(dating, priority=False)
            await writer.submit(partial(writer.outbox.append, [arrival]), patience=GROUP_S)
            await asyncio.sleep(0.01)

    background = asyncio.create_task(murmur())
    waits = []
    for _ in range(ALARMS):
        await asyncio.sleep(0.005)
        begun = time.perf_counter()
        await writer.submit(partial(writer.outbox.append, [make_arrival(dating, priority=True)]))
        waits.append((time.perf_counter() - begun) * 1000)
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)
    await writer.close()
    return statistics.median(waits), statistics.quantiles(waits, n=100)[98]


def measure_process(folder: Path) -> tuple[float, float]:
    """Seconds until the agent has started, and its resident MiB then."""
    config = folder / "edge.toml"
    config.write_text(
        f'gateway_eui = "{GATEWAY}"\nsite = "bench"\nmetrics_port = 0\ntrust_clock = true\n'
        f'[udp]\nport = 0\n[mqtt]\nport = 1\n[outbox]\npath = "{folder / "outbox.sqlite"}"\n'
    )
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.main", "run", "--config", str(config)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "agent_started" in line:
                break
        started = time.perf_counter() - begun
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return started, int(resident.split()[1]) / 1024
    finally:
        process.terminate()
        process.wait(5)
        process.stderr.close()


def list_modules() -> tuple[int, list[str]]:
    """How many modules the agent's program loads, and the packages that are not Python's own."""
    code = (
        "import sys, json, edge.program;"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules}"
        " - set(sys.stdlib_module_names)) + [len(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    *packages, count = json.loads(done.stdout)
    return count, [package for package in packages if not package.startswith("_")]


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    figures: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
            rate, size = asyncio.run(measure_throughput(Path(folder)))
        with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
            half, tail = asyncio.run(measure_alarms(Path(folder), BOUNDS))
        with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
            full_half, full_tail = asyncio.run(measure_alarms(Path(folder), TIGHT))
        with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
            started, resident = measure_process(Path(folder))
        figures.append((rate, size, half, tail, full_half, full_tail, started, resident))
    rate, size, half, tail, full_half, full_tail, started, resident = map(
        statistics.median, zip(*figures, strict=True)
    )
    count, packages = list_modules()
    print(f"durable frames/s, groups of {GROUP_S * 1000:.0f} ms: {rate:.0f}")
    print(f"bytes written per frame at that pace: {size:.0f}")
    print(f"priority frame on disk: p50 {half:.2f} ms, p99 {tail:.2f} ms")
    print(f"  while others are shed: p50 {full_half:.2f} ms, p99 {full_tail:.2f} ms")
    print(f"started after: {started:.2f} s; resident then: {resident:.1f} MiB")
    print(f"modules imported: {count}; packages: {' '.join(packages)}")


if __name__ == "__main__":
    main()
