"""Memory of each process of a site at rest and after many uplinks: is it flat?

Real processes: mosquitto, an agent, ingest, alarm program, console with one screen open. Uplinks of
1,000 wristbands enter by UDP as fast as the agent acknowledges them; every hundredth is a call for
help. Resident size in MB is taken when all that was sent is committed and receipted. `growth` is
what the second half of the uplinks added: a leak adds the same again with each further uplink.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, RunningSite, make_bands

UPLINKS, WEARERS, IN_A_DATAGRAM, CALL_EVERY = 20_000, 1_000, 16, 100
MB = 1e6


def sizes(site: RunningSite) -> dict[str, float]:
    """Resident MB by process."""
    pids = {program.name: program.pid for program in site.programs}
    pids["mosquitto"] = site.broker.pid
    return {name: psutil.Process(pid).memory_info().rss / MB for name, pid in pids.items()}


def send(site: RunningSite, count: int, already: int) -> None:
    """Have so many more uplinks heard, committed and receipted."""
    (gateway,) = site.gateways
    forwarder, frames = site.forwarders[gateway], []
    for number in range(already, already + count):
        band = site.bands[number % len(site.bands)]
        frames.append(band.telemetry() if number % CALL_EVERY else band.sos())
        if len(frames) == IN_A_DATAGRAM or number == already + count - 1:
            forwarder.hear(*frames)
            frames = []
    total = already + count
    wait_for(
        lambda: site.value("SELECT count(*) FROM uplink") == total,
        f"{total} uplinks committed",
        timeout_s=600,
        every_s=0.2,
    )
    site.await_whole(timeout_s=120)


def measure(site: RunningSite, uplinks: int) -> None:
    """Print the table."""
    screen = site.screen()
    send(site, IN_A_DATAGRAM, 0)
    rest, began = sizes(site), time.monotonic()
    half = uplinks // 2
    send(site, half - IN_A_DATAGRAM, IN_A_DATAGRAM)
    middle = sizes(site)
    send(site, uplinks - half, half)
    end = sizes(site)
    rate = uplinks / (time.monotonic() - began)
    print(f"{'MB':<26}{'at rest':>9}{f'{half:,}':>11}{f'{uplinks:,}':>11}{'growth':>9}")
    for name in rest:
        growth = end[name] / middle[name]
        print(f"{name:<26}{rest[name]:>9.1f}{middle[name]:>11.1f}{end[name]:>11.1f}{growth:>8.2f}x")
    worst = max(rest, key=lambda name: end[name] / middle[name])
    print(
        f"memory worst growth of the second half {end[worst] / middle[worst]:.2f}x ({worst}),"
        f" {len(screen.alarms())} alarm events on the screen, {rate:.0f} uplinks/s meanwhile"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uplinks", type=int, default=UPLINKS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        site = RunningSite(
            folder=Path(folder),
            bands=make_bands(WEARERS),
            gateways=GATEWAYS[:1],
            forward=("backlog_rate = 5000.0",),
            broker_lines=("set_tcp_nodelay true", "max_queued_messages 20000"),
            quiet=True,
        )
        with site.start():
            measure(site, options.uplinks)


if __name__ == "__main__":
    main()
