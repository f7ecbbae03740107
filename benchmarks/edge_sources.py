"""A network server's events on a gateway: how many a second are on disk.

Events wait at a real mosquitto, in the session of the agent; then the source opens, over a real
outbox. Measured until every event is on disk. The window is mosquitto's usual one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.source_settings import NetworkServerSettings
from edge.sources.network_server import NetworkServer
from khaen.mqtt import Client, Handlers, MqttSettings, Session
from tests.edge.fixtures import GATEWAY
from tests.edge.sources.bench import Station, eventually, make_station
from tests.support import chirpstack
from tests.support.broker import Mosquitto
from tests.support.chirpstack import HeardBy

ROUNDS, EVENTS = 5, 3_000
DEVICE = "a81758ff00000001"


def make_event(f_cnt: int) -> bytes:
    """An `up` event as JSON, heard by two gateways: some 1,400 bytes."""
    event = chirpstack.up(
        dev_eui=DEVICE,
        dev_addr="01020304",
        f_cnt=f_cnt,
        f_port=10,
        data=bytes(11),
        heard_by=[HeardBy(gateway=GATEWAY, context=bytes([n] * 4)) for n in range(2)],
    )
    return chirpstack.as_json(event)


async def fill(broker: Mosquitto) -> None:
    """Have the broker keep events for the agent."""
    client = Client(MqttSettings(port=broker.port), Session(client_id="server"), Handlers())
    client.start()
    await eventually(lambda: client.connected, bool)
    for f_cnt in range(EVENTS):
        event = make_event(f_cnt)
        await eventually(lambda e=event: client.publish(chirpstack.topic(DEVICE), e), bool)
    await asyncio.to_thread(client.stop, 60.0)


async def drain(broker: Mosquitto, station: Station) -> float:
    """Seconds until all of them are stored."""
    source = NetworkServer(NetworkServerSettings(port=broker.port), station)
    heard = station.counts.heard.labels(kind="application")._value
    began = time.perf_counter()
    async with source.listening():
        await eventually(heard.get, lambda count: count == EVENTS)
        return time.perf_counter() - began


async def measure(folder: Path) -> tuple[float, float]:
    """Events a second, and seconds of this process's processor for a thousand."""
    broker = Mosquitto(folder / "broker", settings=("max_queued_messages 0",))
    broker.start()
    try:
        async with make_station(folder) as station:
            source = NetworkServer(NetworkServerSettings(port=broker.port), station)
            async with source.listening():
                await eventually(lambda: source._client.connected, bool)
            await fill(broker)
            busy = time.process_time()
            elapsed = await drain(broker, station)
            return EVENTS / elapsed, (time.process_time() - busy) / EVENTS * 1000
    finally:
        broker.stop()


def main() -> None:
    """Print the medians of all rounds."""
    rates, costs = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
            rate, cost = asyncio.run(measure(Path(folder)))
        rates.append(rate)
        costs.append(cost)
    print(f"events of a network server: {statistics.median(rates):,.0f}/s on disk")
    print(f"processor: {statistics.median(costs):.2f} s for 1,000 events")


if __name__ == "__main__":
    main()
