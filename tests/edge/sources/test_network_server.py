"""Events of a network server on the gateway: acknowledged when they are kept, not before."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from hypothesis import given
from hypothesis import strategies as st

from edge.record import Record
from edge.source_settings import NetworkServerSettings
from edge.sources.network_server import (
    AWAY,
    EVENTS,
    MOST_BYTES,
    NetworkServer,
    find_time,
    is_priority,
)
from khaen.ids import DevEui
from khaen.mqtt import Client, Handlers, MqttSettings, Session, Version
from khaen.priority import PriorityList
from khaen.topics import ApplicationTopic
from khaen.uplink import Kind
from tests.edge.fixtures import GATEWAY, make_receipt
from tests.edge.sources.bench import (
    Station,
    eventually,
    make_station,
    mend_disk,
    refuse_disk,
)
from tests.support import chirpstack
from tests.support.broker import Mosquitto
from tests.support.receipts import cover

DEVICE = "a81758ff00000001"
UP = chirpstack.topic(DEVICE)


def up(
    f_cnt: int = 1,
    *,
    dev_addr: str = "01020304",
    f_port: int = 85,
    at: datetime | None = None,
) -> Any:
    return chirpstack.up(
        dev_eui=DEVICE,
        dev_addr=dev_addr,
        f_cnt=f_cnt,
        f_port=f_port,
        data=b"\x01",
        heard_by=(),
        at=at,
    )


@asynccontextmanager
async def listening(
    broker: Mosquitto, station: Station, version: Version = Version.AUTO
) -> AsyncIterator[NetworkServer]:
    settings = NetworkServerSettings(port=broker.port, version=version)
    source = NetworkServer(settings, station)
    async with source.listening():
        await eventually(lambda: source._client.connected, bool)
        yield source


class Publisher:
    """A network server's side of the broker."""

    def __init__(self, port: int) -> None:
        session = Session(client_id=f"network-server-{uuid.uuid4()}")
        self._taken: set[tuple[int, int]] = set()
        self._client = Client(
            MqttSettings(port=port),
            session,
            Handlers(published=lambda number, mid, _accepted: self._taken.add((number, mid))),
        )

    async def __aenter__(self) -> "Publisher":
        self._client.start()
        await eventually(lambda: self._client.connected, bool)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await asyncio.to_thread(self._client.stop)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Returns when the broker has it."""
        sent = self._client.publish(topic, payload, qos=qos)
        assert sent is not None
        await eventually(lambda: sent in self._taken, bool)


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto(persistence=True, settings=("autosave_interval 1",))


async def test_events_are_records_with_their_topics(broker: Mosquitto, tmp_path: Path) -> None:
    async with make_station(tmp_path) as station, listening(broker, station):
        payloads = [chirpstack.as_json(up(1)), chirpstack.as_protobuf(up(2)), b"\xff nonsense"]
        async with Publisher(broker.port) as publisher:
            for payload in payloads:
                await publisher.publish(UP, payload)
            await publisher.publish(chirpstack.topic(DEVICE, "join"), b"{}", qos=0)
        records = await station.await_records(4)
        assert {record.kind for record in records} == {Kind.APPLICATION}
        assert [record.topic for record in records] == [UP] * 3 + [chirpstack.topic(DEVICE, "join")]
        assert await station.payloads() == [*payloads, b"{}"]
        frame = gw.UplinkFrame.FromString(records[0].frame)
        assert frame.rx_info.gateway_id == GATEWAY


async def test_what_no_record_could_be_is_refused_and_not_sent_again(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with make_station(tmp_path) as station:
        async with listening(broker, station), Publisher(broker.port) as publisher:
            await publisher.publish(chirpstack.topic(DEVICE, "integration"), b"{}")
            await publisher.publish(chirpstack.topic("notahex"), b"{}")
            await publisher.publish(UP, b"x" * (MOST_BYTES + 1))
            await publisher.publish(UP, b"good")
            await station.await_records(1)
        for reason in ("unknown_event", "bad_eui", "event_too_long"):
            assert station.refused(reason) == 1
        async with listening(broker, station):
            await asyncio.sleep(0.2)
        assert await station.payloads() == [b"good"]
        assert station.refused("event_too_long") == 1


@pytest.mark.parametrize("render", [chirpstack.as_json, chirpstack.as_protobuf])
async def test_what_the_broker_kept_is_as_old_as_its_event_says(
    broker: Mosquitto, render: Callable[[Any], bytes], tmp_path: Path
) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    async with make_station(tmp_path) as station, Publisher(broker.port) as publisher:
        async with listening(broker, station):
            pass
        await publisher.publish(UP, render(up(1, at=at)))
        await publisher.publish(UP, b"\xff nonsense")
        async with listening(broker, station) as source:
            old, unread = await station.await_records(2)
            source._last -= 2  # nothing came for two seconds
            await publisher.publish(UP, render(up(2, at=at)))
            *_, new = await station.await_records(3)
    assert old.instant.at is not None
    assert abs(old.instant.at - at) < timedelta(seconds=1)
    for fresh in (unread, new):
        assert fresh.instant.at is not None
        assert fresh.instant.at > at + timedelta(minutes=59)


@given(st.sampled_from(sorted(EVENTS)), st.binary() | st.text().map(str.encode))
def test_an_event_says_its_time_or_none(event: str, payload: bytes) -> None:
    for body in (payload, b'{"time":' + json.dumps(payload.hex()).encode() + b"}", b"{}", b"{5"):
        assert find_time(event, body) is None or body == payload


@pytest.mark.parametrize("version", [Version.V5, Version.V311])
async def test_the_broker_keeps_what_came_while_the_agent_was_away(
    broker: Mosquitto, version: Version, tmp_path: Path
) -> None:
    async with make_station(tmp_path) as station:
        async with listening(broker, station, version):
            pass
        async with Publisher(broker.port) as publisher:
            for f_cnt in range(30):
                await publisher.publish(UP, chirpstack.as_json(up(f_cnt)))
            await asyncio.to_thread(broker.restart)
        async with listening(broker, station, version):
            await station.await_records(30)
        async with listening(broker, station, version):
            await asyncio.sleep(0.2)
        counters = [json.loads(payload).get("fCnt", 0) for payload in await station.payloads()]
        assert sorted(counters) == list(range(30))


async def test_a_slow_disk_holds_the_broker_back_and_no_stop(
    broker: Mosquitto, tmp_path: Path
) -> None:
    slow_disk = threading.Event()
    async with make_station(tmp_path) as station, Publisher(broker.port) as publisher:
        try:
            async with listening(broker, station):
                station.writer.post(slow_disk.wait, patience=0)
                for f_cnt in range(100):
                    await publisher.publish(UP, chirpstack.as_json(up(f_cnt)), qos=0)
                await asyncio.sleep(0.2)
        finally:
            slow_disk.set()
        assert 0 < len(await station.await_records(1)) <= 64


async def test_a_broker_that_goes_away_is_said_and_found_again(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with make_station(tmp_path) as station, listening(broker, station):
        await asyncio.to_thread(broker.kill)
        await eventually(lambda: AWAY in station.warnings, bool)
        await asyncio.to_thread(broker.start)
        await eventually(lambda: AWAY not in station.warnings, bool)
        async with Publisher(broker.port) as publisher:
            await publisher.publish(UP, b"back")
            await station.await_records(1)


async def test_what_is_in_memory_only_is_acknowledged_by_receipts_or_sent_again(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.network_server._LOOK_S", 0.05)
    refuse_disk(tmp_path)
    async with make_station(tmp_path) as station:
        async with listening(broker, station), Publisher(broker.port) as publisher:
            for f_cnt in range(3):
                await publisher.publish(UP, chirpstack.as_json(up(f_cnt)))
            records = await station.await_records(3)
            assert station.refused("not_durable") == 3
            await settle(station, records[:2])
            await eventually(station.records, lambda left: len(left) == 1)
            await asyncio.sleep(0.2)  # its look at what is settled
        # Only what nobody has proven comes again.
        async with listening(broker, station):
            await eventually(lambda: station.refused("not_durable"), lambda count: count == 4)
            await asyncio.sleep(0.1)
            assert station.refused("not_durable") == 4
            mend_disk(tmp_path, station)
            await eventually(station.is_durable, bool)
            await eventually(station.payloads, lambda found: len(set(found)) == 1 < len(found))
            await asyncio.sleep(0.2)
        before = await station.payloads()
        async with listening(broker, station):
            await asyncio.sleep(0.2)
        assert await station.payloads() == before


async def settle(station: Station, records: Sequence[Record]) -> None:
    """Commit these at the other end."""
    numbers = [record.number for record in records]
    entry = cover(numbers[0].epoch, 0, [number.seq for number in numbers], conflict=False)
    outbox = station.writer.outbox
    await station.writer.submit(partial(outbox.obey, make_receipt(entry)))


def test_a_priority_list_sorts_events() -> None:
    wanted = PriorityList(prefixes=("01000000/8",), dev_addrs=(), f_ports=(85,))

    def first(event: str, payload: bytes, list_: PriorityList | None = wanted) -> bool:
        topic = ApplicationTopic(application="a", dev_eui=DevEui(DEVICE), event=event)
        return is_priority(topic, payload, list_)

    call, talk, other = up(), up(f_port=2), up(dev_addr="02020304")
    for render in (chirpstack.as_json, chirpstack.as_protobuf):
        assert first("up", render(call))
        assert not first("up", render(talk))
        assert not first("up", render(other))
        assert first("up", render(other), None)
    assert first("join", b"")
    assert not first("status", chirpstack.as_json(call))
    assert first("status", b"", None)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_sorted(garbage: bytes, brace: bool) -> None:
    topic = ApplicationTopic(application="a", dev_eui=DevEui(DEVICE), event="up")
    payload = b"{" + garbage if brace else garbage
    assert is_priority(topic, payload, PriorityList()) is False
