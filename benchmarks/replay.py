"""Captures and replays: bytes a record, records written, read and sent a second."""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chirpstack_api import gw

from khaen import log, topics
from khaen.capture import Header, PartWriter, Reader, Record, Road
from khaen.clock import Rung, SystemClock
from khaen.ids import Epoch, GatewayEui
from khaen.mqtt import MqttSettings
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Stamp, stamp
from simulators.recorder import Recorder
from simulators.recording import Recording
from simulators.replay.identities import Anonymous
from simulators.replay.keyring import Keyring
from simulators.replay.publisher import Publisher
from simulators.replay.remap import Remap
from simulators.replay.replay import Replay
from simulators.replay.sinks import Broker, Nothing, Sink
from simulators.replay.stamp import Stamper
from simulators.replay.timeline import Shift, Timeline
from tests.support.broker import Mosquitto
from tests.support.site import Band, make_bands

ROUNDS, RECORDS, BANDS = 5, 20_000, 50
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
GATEWAY = GatewayEui("ac1f09fffe0a0b01")


def make_records(bands: list[Band]) -> list[Record]:
    """A site's gateway frames, as a recorder takes them."""
    made = []
    for number in range(RECORDS):
        at = START + timedelta(seconds=0.5 * number)
        frame = gw.UplinkFrame(phy_payload=bands[number % BANDS].telemetry())
        frame.tx_info.frequency = 923_200_000 + 200_000 * (number % 8)
        frame.tx_info.modulation.lora.spreading_factor = 9
        frame.tx_info.modulation.lora.bandwidth = 125_000
        rx = frame.rx_info
        rx.gateway_id, rx.rssi, rx.snr = GATEWAY, -120 + number % 60, 7.5 - number % 20
        rx.context = os.urandom(4)
        facts = Stamp(
            number=Number(epoch=Epoch("00000000000000e1"), seq=number + 1),
            kind=Kind.LORAWAN,
            clock=Rung.SYNCED,
            origin=Origin.RADIO,
            at=at,
        )
        made.append(
            Record(
                at=at + timedelta(seconds=0.05),
                road=Road.MQTT,
                topic=topics.up("as923", GATEWAY),
                payload=stamp(frame, facts),
            )
        )
    return made


def median(measure: Callable[[], None]) -> float:
    """Records a second, the median of the rounds."""
    rates = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        measure()
        rates.append(RECORDS / (time.perf_counter() - begun))
    return statistics.median(rates)


def write(path: Path, records: list[Record]) -> None:
    path.unlink(missing_ok=True)
    writer = PartWriter(path, Header(tool="benchmark", began=START))
    for record in records:
        writer.write(record)
    writer.close()


def read(path: Path) -> None:
    with Reader(path) as reader:
        assert sum(1 for _ in reader) == RECORDS


def replay(path: Path, sink: Sink, remap: Remap | None = None) -> None:
    clock = SystemClock()
    timeline = Timeline(clock, speed=math.inf, shift=Shift.KEEP)
    tally = Replay(Recording(path), sink, timeline, clock, remap=remap).run()
    sink.finish()
    assert tally.sent == RECORDS, tally.skipped


def record(folder: Path, broker: Mosquitto, sink: Sink, path: Path) -> float:
    """Replay with a recorder listening: records a second until it has all."""
    rates = []
    for number in range(ROUNDS):
        out = folder / f"again-{number}.khcap"
        with Recorder(MqttSettings(port=broker.port), out, SystemClock()) as recorder:
            recorder.await_connected()
            begun = time.perf_counter()
            replay(path, sink)
            while recorder.taken < RECORDS:
                time.sleep(0.01)
            rates.append(RECORDS / (time.perf_counter() - begun))
    return statistics.median(rates)


@contextmanager
def broker_sink(broker: Mosquitto) -> Iterator[Broker]:
    publisher = Publisher(MqttSettings(port=broker.port), "benchmark")
    try:
        yield Broker(lambda _account: publisher, Stamper("benchmark"), SystemClock())
    finally:
        publisher.close()


def main() -> None:
    log.configure(level="WARNING", program="benchmark")
    bands = make_bands(BANDS)
    records = make_records(bands)
    plain = sum(len(record.payload) + len(record.topic) for record in records) / RECORDS
    keys = {band.dev_eui: band.keys for band in bands}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "x.khcap"
        written = median(lambda: write(path, records))
        size = path.stat().st_size / RECORDS
        print(f"bytes a record             {size:8.1f}  ({plain:.0f} of topic and payload)")
        print(f"written                    {written:8,.0f} records/s")
        print(f"read                       {median(lambda: read(path)):8,.0f} records/s")
        nothing = median(lambda: replay(path, Nothing()))
        print(f"replayed to nothing        {nothing:8,.0f} records/s")
        keyring = Keyring(keys)
        remap = Remap(Anonymous("seed"), keyring, dict.fromkeys(keys, False))
        anonymous = median(lambda: replay(path, Nothing(), remap))
        print(f"made anonymous             {anonymous:8,.0f} records/s")
        broker = Mosquitto(folder / "broker", settings=["max_queued_messages 100000"])
        broker.start()
        with broker_sink(broker) as sink:
            sent = median(lambda: replay(path, sink))
            print(f"replayed to a real broker  {sent:8,.0f} records/s")
            both = record(folder, broker, sink, path)
            print(f"… and recorded again       {both:8,.0f} records/s")
        broker.stop()


if __name__ == "__main__":
    main()
