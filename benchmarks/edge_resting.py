"""What an agent costs a small machine: its start, a quiet day, ten frames a second, many frames.

The real process between a packet forwarder, mosquitto, and an ingest that gives receipts. CPU is of
one core, over the whole time; resident MiB are the median of one look a second.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import psutil

from tests.support.programs import Program, wait_for
from tests.support.site import GATEWAYS, RunningSite, make_bands

STARTS, REST_S, LOAD_S, PER_SECOND = 5, 30.0, 60.0, 10.0
FRAMES, IN_A_DATAGRAM, WARM = 20_000, 16, 2_000
MIB = 1 << 20
(GATEWAY,) = GATEWAYS[:1]


def resident(agent: Program) -> float:
    """Its MiB now."""
    return float(psutil.Process(agent.pid).memory_info().rss) / MIB


def measure_start(agent: Program) -> float:
    """Seconds until it hears the radio; it runs afterwards."""
    agent.stop()
    began = time.perf_counter()
    agent.start()
    return time.perf_counter() - began


def measure_cost(agent: Program, seconds: float) -> tuple[float, float]:
    """CPU in percent of one core, and resident MiB."""
    process = psutil.Process(agent.pid)
    looks, before, began = [], process.cpu_times(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        time.sleep(1.0)
        looks.append(resident(agent))
    after, lasted = process.cpu_times(), time.perf_counter() - began
    used = after.user + after.system - before.user - before.system
    return 100 * used / lasted, statistics.median(looks)


def send(site: RunningSite, count: int) -> None:
    """Have so many more frames heard, committed and receipted."""
    forwarder, before = site.forwarders[GATEWAY], site.value("SELECT count(*) FROM uplink")
    for _ in range(count // IN_A_DATAGRAM):
        forwarder.hear(*(band.telemetry() for band in site.bands[:IN_A_DATAGRAM]))
    goal = before + count // IN_A_DATAGRAM * IN_A_DATAGRAM
    wait_for(
        lambda: site.value("SELECT count(*) FROM uplink") >= goal,
        "all is committed",
        timeout_s=1800,
        every_s=0.2,
    )
    site.await_whole(timeout_s=120)


def measure(site: RunningSite, options: argparse.Namespace) -> None:
    """Print."""
    agent = site.agents[GATEWAY]
    started = statistics.median(measure_start(agent) for _ in range(STARTS))
    print(f"started after: {started:.2f} s; resident then: {resident(agent):.1f} MiB", flush=True)
    site.await_connected()
    for name, load, seconds in (
        ("at rest", nullcontext(), options.rest),
        (f"at {PER_SECOND:.0f} frames/s", site.load(per_second=PER_SECOND), options.load),
    ):
        with load:
            cpu, size = measure_cost(agent, seconds)
        print(f"{name}, {seconds:.0f} s: CPU {cpu:.2f} %; resident {size:.1f} MiB", flush=True)
    send(site, WARM)
    sizes = [resident(agent)]
    for _ in range(2):
        send(site, options.frames // 2)
        sizes.append(resident(agent))
    print(
        f"resident after {options.frames // 2:,} frames more: {sizes[1]:.1f} MiB,"
        f" after {options.frames:,}: {sizes[2]:.1f} MiB"
        f" ({sizes[2] / sizes[1]:.3f}x; before them {sizes[0]:.1f} MiB)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rest", type=float, default=REST_S, help="seconds without a frame")
    parser.add_argument("--load", type=float, default=LOAD_S, help="seconds of frames")
    parser.add_argument("--frames", type=int, default=FRAMES, help="as fast as it takes them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        site = RunningSite(
            folder=Path(folder),
            bands=make_bands(IN_A_DATAGRAM),
            edge=(),
            forward=("backlog_rate = 5000.0",),
            broker_lines=("set_tcp_nodelay true", "max_queued_messages 20000"),
            quiet=True,
        )
        with site.start(people=False):
            measure(site, options)


if __name__ == "__main__":
    main()
