"""One agent in this process: several gateways, and other settings while the radio goes on."""

import asyncio
import socket
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge import station
from edge.host import Host
from edge.outbox.outbox import Outbox
from edge.program import Program
from edge.settings import EdgeSettings, GatewaySettings, OutboxSettings, UdpSettings
from edge.sources.semtech_udp import PULL_ACK, PULL_RESP, TX_ACK
from khaen import topics
from khaen.clock import SystemClock
from khaen.errors import NotRunnable, SettingsError
from khaen.ids import GatewayEui
from khaen.mqtt import Message, MqttSettings
from khaen.wire import Heard, parse
from tests.edge.agent import listening
from tests.edge.fixtures import GATEWAY
from tests.simulators.agent import until
from tests.support.broker import Mosquitto
from tests.support.forwarder import Forwarder
from tests.support.ports import find_free_udp_port

pytestmark = pytest.mark.end_to_end
OTHER = GatewayEui("0016c001f153a14d")
ALL = ("+/gateway/+/event/up", "khaen/gateway/+/live", "khaen/gateway/+/backlog")


def make_settings(folder: Path, broker: Mosquitto, **facts: object) -> EdgeSettings:
    return EdgeSettings.model_validate(
        {
            "gateway_eui": GATEWAY,
            "site": "kk",
            "trust_clock": True,
            "metrics_port": 0,
            "udp": UdpSettings(port=find_free_udp_port()),
            "mqtt": MqttSettings(port=broker.port),
            "outbox": OutboxSettings(path=folder / "outbox.sqlite"),
            "gateways": (GatewaySettings(eui=OTHER),),
            **facts,
        }
    )


@asynccontextmanager
async def running(settings: EdgeSettings) -> AsyncIterator[Program]:
    stop = asyncio.Event()
    program = Program(settings, SystemClock(), Host())
    task = asyncio.create_task(program.run(stop))
    try:
        async with asyncio.timeout(10):
            while program.generation is None or any(
                not station.broker.client.connected
                for station in program.generation.stations.values()
            ):
                assert not task.done(), task
                await asyncio.sleep(0.01)
        yield program
    finally:
        stop.set()
        await task


def heard(messages: Sequence[Message]) -> dict[GatewayEui, list[Heard]]:
    found: dict[GatewayEui, list[Heard]] = defaultdict(list)
    for message in messages:
        topic = topics.parse(message.topic)
        assert isinstance(topic, topics.GatewayTopic)
        found[topic.gateway].append(parse(topic.gateway, message.payload))
    return found


def payloads(frames: Sequence[Heard]) -> set[bytes]:
    return {frame.payload for frame in frames if frame.payload}


def numbers(frames: Sequence[Heard]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for frame in frames:
        assert frame.number is not None
        found[frame.number.epoch].add(frame.number.seq)
    return found


def is_there(wanted: dict[GatewayEui, set[bytes]], messages: Sequence[Message]) -> bool:
    found = heard(messages)
    return all(payloads(found[eui]) >= frames for eui, frames in wanted.items())


async def test_each_gateway_has_its_own_numbers_connection_and_state(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker)
    with (
        listening(broker.port, *ALL) as frames,
        listening(broker.port, "as923/gateway/+/state/conn") as states,
    ):
        async with running(settings):
            forwarders = [Forwarder(eui, settings.udp.port) for eui in (GATEWAY, OTHER)]
            wanted: dict[GatewayEui, set[bytes]] = {}
            for number, forwarder in enumerate(forwarders):
                sent = [bytes((0x40, number, count)) + bytes(12) for count in range(20)]
                await asyncio.to_thread(forwarder.hear, *sent)
                wanted[forwarder.eui] = set(sent)
            await asyncio.to_thread(frames.wait_for, lambda m: is_there(wanted, m))
            for forwarder in forwarders:
                forwarder.close()
        said = heard(frames.messages)
        for eui in (GATEWAY, OTHER):
            ((_, seqs),) = numbers(said[eui]).items()
            assert seqs == set(range(1, 22))  # and a heartbeat
        assert numbers(said[GATEWAY]).keys().isdisjoint(numbers(said[OTHER]))
        await asyncio.to_thread(states.wait_for, lambda m: len(m) == 4)
        words: dict[str, list[int]] = defaultdict(list)
        for message in states.messages:
            state = gw.ConnState.FromString(message.payload)
            assert message.topic == topics.conn("as923", GatewayEui(state.gateway_id))
            words[state.gateway_id].append(state.state)
        online_then_offline = [gw.ConnState.ONLINE, gw.ConnState.OFFLINE]
        assert words == {GATEWAY: online_then_offline, OTHER: online_then_offline}
    assert (tmp_path / f"outbox-{OTHER}.sqlite").exists()


async def test_a_downlink_goes_to_the_forwarder_of_its_gateway(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker)
    command = gw.DownlinkFrame(gateway_id=OTHER, downlink_id=7)
    item = command.items.add(phy_payload=bytes(17))
    item.tx_info.frequency = 923_200_000
    item.tx_info.timing.immediately.SetInParent()
    item.tx_info.modulation.lora.spreading_factor = 10
    item.tx_info.modulation.lora.bandwidth = 125_000
    item.tx_info.modulation.lora.code_rate = gw.CR_4_5
    with listening(broker.port, "as923/gateway/+/event/ack") as listener:
        async with (
            running(settings) as program,
            pulling(settings, GATEWAY) as first,
            pulling(settings, OTHER) as second,
        ):
            await program.apply(settings.model_copy(update={"heartbeat_s": 50.0}))
            assert program.generation is not None
            client = program.generation.stations[OTHER].broker.client
            await until(lambda: client.connected)
            topic = topics.down("as923", OTHER)
            listener.client.publish(topic, command.SerializeToString())
            order = await asyncio.to_thread(second.recv, 4096)
            assert order[3] == PULL_RESP
            second.send(bytes((2, *order[1:3], TX_ACK)) + bytes.fromhex(OTHER))
            await asyncio.to_thread(listener.wait_for, lambda m: len(m) == 1)
            first.setblocking(False)
            with pytest.raises(BlockingIOError):
                first.recv(4096)
    (message,) = listener.messages
    ack = gw.DownlinkTxAck.FromString(message.payload)
    assert message.topic == topics.ack("as923", OTHER)
    assert (ack.gateway_id, ack.downlink_id) == (OTHER, 7)
    assert [said.status for said in ack.items] == [gw.OK]


@asynccontextmanager
async def pulling(settings: EdgeSettings, eui: GatewayEui) -> AsyncIterator[socket.socket]:
    """A packet forwarder's socket for the way down, which the agent knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", settings.udp.port))
        sock.settimeout(5)
        sock.send(b"\x02\0\0\x02" + bytes.fromhex(eui))
        answer = await asyncio.to_thread(sock.recv, 64)
        assert answer[3] == PULL_ACK
        yield sock


def is_warned(program: Program) -> bool:
    assert program.generation is not None
    return "twin_agent" in program.generation.stations[GATEWAY].warnings


async def test_an_agent_that_was_started_again_has_no_twin(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=(), status_s=0.1)
    for _ in range(3):
        async with running(settings) as program:
            for turn in range(3):
                await program.apply(settings.model_copy(update={"heartbeat_s": 50.0 + turn}))
                await asyncio.sleep(0.2)
            assert not is_warned(program)


async def test_other_settings_while_frames_come(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    """What was sent arrives under numbers that go on, and what waited in the socket, too."""
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=())
    ended = threading.Event()
    forwarder = Forwarder(GATEWAY, settings.udp.port)
    sent: list[bytes] = []

    def send() -> None:
        while not ended.is_set():
            sent.append(b"\x40" + len(sent).to_bytes(8, "big") + bytes(6))
            forwarder.push(sent[-1])
            time.sleep(0.002)

    with listening(broker.port, *ALL) as frames:
        async with running(settings) as program:
            thread = threading.Thread(target=send)
            thread.start()
            for turn in range(5):
                await asyncio.sleep(0.2)
                changed = settings.model_copy(update={"heartbeat_s": 100.0 + turn})
                await program.apply(changed)
                assert program.settings == changed
            await asyncio.sleep(0.2)
            ended.set()
            thread.join()
            await asyncio.sleep(0.2)
            acked = {GATEWAY: set(forwarder.acked)}
            await asyncio.to_thread(frames.wait_for, lambda m: is_there(acked, m))
        said = heard(frames.messages)[GATEWAY]
    forwarder.close()
    assert payloads(said) == set(sent)
    ((_, seqs),) = numbers(said).items()
    assert seqs == set(range(1, max(seqs) + 1))
    assert len(acked[GATEWAY]) > 0.9 * len(sent)  # an answer may miss a socket that just closed


async def test_settings_that_cannot_be_leave_the_former_in_force(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=())
    async with running(settings) as program:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(NotRunnable, match=f"udp 127.0.0.1:{port}"):
                await program.apply(settings.model_copy(update={"udp": UdpSettings(port=port)}))
        absent = MqttSettings(port=broker.port, password_file=tmp_path / "nothing")
        with pytest.raises(SettingsError, match="nothing"):
            await program.apply(settings.model_copy(update={"mqtt": absent}))
        elsewhere = OutboxSettings(path=tmp_path / "other.sqlite")
        with pytest.raises(NotRunnable, match=r"outbox\.path"):
            await program.apply(settings.model_copy(update={"outbox": elsewhere}))
        for fixed in ({"simulated": True}, {"trust_clock": False}, {"metrics_port": 1}):
            with pytest.raises(NotRunnable, match=next(iter(fixed))):
                await program.apply(settings.model_copy(update=fixed))
        assert program.settings == settings
        forwarder = Forwarder(GATEWAY, settings.udp.port)
        await asyncio.to_thread(forwarder.hear, b"\x40" + bytes(14))
        forwarder.close()


async def test_who_does_not_wait_for_other_settings_does_not_end_the_agent(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=())
    changed = settings.model_copy(update={"heartbeat_s": 50.0})
    async with running(settings) as program:
        applying = asyncio.create_task(program.apply(changed))
        await asyncio.sleep(0)
        with pytest.raises(NotRunnable, match="just coming into force"):
            await program.apply(settings)
        applying.cancel()
        await until(lambda: program.settings == changed)
        await program.apply(settings.model_copy(update={"heartbeat_s": 51.0}))
        assert program.settings.heartbeat_s == 51.0


async def test_housekeeping_that_fails_does_not_end_the_agent(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Outbox] = []

    def fail(outbox: Outbox) -> int:
        tries.append(outbox)
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(Outbox, "prune", fail)
    monkeypatch.setattr(station, "_KEEP_EVERY_S", 0.0)
    async with running(make_settings(tmp_path, mosquitto())):
        await until(lambda: len(tries) > 4)


async def test_a_gateway_comes_and_goes(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=())
    both = settings.model_copy(update={"gateways": (GatewaySettings(eui=OTHER),)})
    frame = b"\x40" + bytes(14)
    forwarder = Forwarder(OTHER, settings.udp.port)
    async with running(settings) as program:
        assert not await asyncio.to_thread(forwarder.is_acked, forwarder.push(frame), 0.3)
        await program.apply(both)
        await asyncio.to_thread(forwarder.hear, frame)
        await program.apply(settings)
        assert not await asyncio.to_thread(forwarder.is_acked, forwarder.push(frame), 0.3)
        await program.apply(both)  # its outbox was let go, and is there again
        await asyncio.to_thread(forwarder.hear, frame)
    forwarder.close()


async def test_json_for_the_network_server(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    """As the bridge's `marshaler = "json"`; ingest reads it, and Khaen's own topics stay."""
    broker = mosquitto()
    settings = make_settings(tmp_path, broker, gateways=(), encoding="json")
    frame = b"\x40" + bytes(14)
    with listening(broker.port, *ALL, "as923/gateway/+/state/conn") as listener:
        async with running(settings):
            forwarder = Forwarder(GATEWAY, settings.udp.port)
            await asyncio.to_thread(forwarder.hear, frame)
            forwarder.close()
            await asyncio.to_thread(listener.wait_for, lambda m: len(m) >= 3)
    by_leaf = {message.topic.rsplit("/", 1)[1]: message.payload for message in listener.messages}
    assert by_leaf["up"].startswith(b"{")
    assert b'"gatewayId"' in by_leaf["up"]  # by this ChirpStack knows that it is JSON
    assert by_leaf["conn"].startswith(b"{")
    assert not by_leaf["live"].startswith(b"{")
    up = parse(GATEWAY, by_leaf["up"])
    assert up.payload == frame
    assert up.number is not None
