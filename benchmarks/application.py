"""The application level: events a second written, and published to a real mosquitto; memory.

Every line is the median of some runs with the slowest and the fastest. `made` is a site's traffic
with its receptions and the events written of it; `published` is the same to a broker that
acknowledges each; `written` is the writing alone.
"""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from khaen.clock import SystemClock
from khaen.mqtt import MqttSettings
from khaen.site.model import Site
from simulators.application.chirpstack import ChirpStack
from simulators.application.chirpstack_json import ChirpStackJson
from simulators.application.form import Event, Form, Sink, Uplink
from simulators.application.plain import PlainMac
from simulators.application.publisher import Publisher
from simulators.application.raw import RawBytes, RawLines
from simulators.application.stream import Stream, Tempo
from simulators.application.the_things_stack import TheThingsStack
from simulators.application.uplinks import Uplinks
from simulators.sites.demonstration import Demonstration, make_site
from simulators.sites.made_up import make_up
from simulators.traffic import Pace, Traffic
from tests.support.broker import Mosquitto

START = datetime(2026, 3, 1, tzinfo=UTC)
ROUNDS, SECONDS, UPLINKS, MANY = 5, 3_000, 5_000, 100_000
FORMS: dict[str, Callable[[Site], Form]] = {
    "chirpstack": lambda site: ChirpStackJson(site, seed=1),
    "chirpstack-protobuf": lambda site: ChirpStack(site, seed=1),
    "tts": lambda site: TheThingsStack(site, seed=1),
    "raw": lambda _site: RawLines(),
    "raw-bytes": lambda _site: RawBytes(),
}


class Nothing:
    """Takes every event and does nothing with it."""

    async def publish(self, event: Event) -> None:
        """Take it."""

    async def drain(self) -> None:
        """There is nothing to wait for."""


def make_traffic(made: Demonstration, pace: Pace | None = None) -> Traffic:
    return Traffic(made.site, made.keys, seed=1, start=START, pace=pace, make_mac=PlainMac)


async def stream(made: Demonstration, form: Callable[[Site], Form], sink: Sink) -> float:
    """Uplinks a second of so many simulated seconds, as fast as it goes."""
    running = Stream(
        make_traffic(made),
        Uplinks(made.site, made.keys, plain=True),
        form(made.site),
        SystemClock(),
        dated=START,
    )
    begun = time.perf_counter()
    await running.run(sink, Tempo(speed=math.inf), seconds=SECONDS)
    return running.uplinks / (time.perf_counter() - begun)


async def publish(made: Demonstration, form: Callable[[Site], Form], port: int) -> float:
    """The same into a broker, until it has acknowledged everything."""
    async with Publisher(MqttSettings(port=port), client_id="benchmark") as publisher:
        return await stream(made, form, publisher)


def collect(made: Demonstration) -> list[Uplink]:
    """Uplinks to be written again and again."""
    traffic, found = make_traffic(made), list[Uplink]()
    opener = Uplinks(made.site, made.keys, plain=True)

    def hear(sent, hearings):  # type: ignore[no-untyped-def]
        if (up := opener.open(sent, hearings, START + timedelta(seconds=sent.ends))) is not None:
            found.append(up)

    traffic.listen(hear)
    while len(found) < UPLINKS:
        traffic.step()
    return found


def write(uplinks: list[Uplink], form: Form) -> float:
    """Uplinks a second through one form."""
    begun = time.perf_counter()
    for uplink in uplinks:
        for _event in form.write(uplink):
            pass
    return len(uplinks) / (time.perf_counter() - begun)


def measure_many() -> None:
    """In a process of its own: so many devices at an uplink each five minutes."""
    made = make_up(1, elders=MANY * 7 // 10, gateways=40, sensors=MANY * 3 // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    traffic = make_traffic(made, Pace(wristband=300.0, sensor=300.0, first=300.0))
    ready = time.perf_counter() - begun
    running = Stream(
        traffic,
        Uplinks(made.site, made.keys, plain=True),
        ChirpStackJson(made.site, seed=1),
        SystemClock(),
        dated=START,
    )
    begun = time.perf_counter()
    asyncio.run(running.run(Nothing(), Tempo(speed=math.inf), seconds=300))
    took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{MANY:,} devices, one uplink each 5 minutes: ready in {ready:.0f} s, "
        f"{300 / took:.1f} × real time, {running.uplinks / took:,.0f} uplinks/s, "
        f"{(peak - before) * 1024 / MANY / 1000:.1f} kB each, {peak / 1024:,.0f} MiB in all"
    )


def show(name: str, rates: list[float]) -> None:
    low, high = min(rates), max(rates)
    print(f"{name:<34} {statistics.median(rates):>10,.0f}/s  ({low:,.0f} to {high:,.0f})")


def main() -> None:
    made = make_site(1)
    uplinks = collect(made)
    for name, form in FORMS.items():
        show(f"written    {name}", [write(uplinks, form(made.site)) for _ in range(ROUNDS)])
    for name, form in FORMS.items():
        rates = [asyncio.run(stream(made, form, Nothing())) for _ in range(ROUNDS)]
        show(f"made       {name}", rates)
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            for name in ("chirpstack", "chirpstack-protobuf", "tts"):
                rates = [
                    asyncio.run(publish(made, FORMS[name], broker.port)) for _ in range(ROUNDS)
                ]
                show(f"published  {name}", rates)
        finally:
            broker.stop()
    subprocess.run([sys.executable, __file__, "many"], check=True)


if __name__ == "__main__":
    measure_many() if "many" in sys.argv[1:] else main()
