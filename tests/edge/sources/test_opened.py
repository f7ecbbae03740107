"""The real agent with every source that its settings can name, before a real broker."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge.settings import ForwardSettings
from edge.source_settings import ConcentratordSettings, NetworkServerSettings
from khaen import topics, wire
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.mqtt import Message
from khaen.uplink import Kind
from tests.edge.agent import REPOSITORY, Listener, forwarding, listening, running, write_config
from tests.edge.fixtures import GATEWAY
from tests.edge.sources.bench import eventually
from tests.edge.sources.test_concentratord import PHY, make_downlink, make_frame
from tests.edge.test_program import make_settings
from tests.edge.test_program import running as program_running
from tests.support import chirpstack
from tests.support.broker import Mosquitto, find_mosquitto
from tests.support.concentratord import Concentratord
from tests.support.lora_module import Rui3, plugged
from tests.support.programs import wait_for
from tests.support.site import rounds

pytestmark = pytest.mark.end_to_end
UP, LIVE = topics.up("as923", GATEWAY), topics.live(GATEWAY)
ACK, DOWN = topics.ack("as923", GATEWAY), topics.down("as923", GATEWAY)
DEVICE = "a81758ff00000001"
_EVENTS = 300
"""In each round."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Concentratord]:
    running = Concentratord(tmp_path, GATEWAY)
    running.start()
    yield running
    running.stop()


def configure(folder: Path, port: int, *tables: str) -> Path:
    config = write_config(folder, port)
    config.write_text("\n".join((config.read_text(), *tables)))
    return config


def concentratord(daemon: Concentratord) -> str:
    return (
        f'[concentratord]\nevent_url = "{daemon.event_url}"\ncommand_url = "{daemon.command_url}"\n'
    )


def test_all_sources_at_once(
    mosquitto: Callable[..., Mosquitto], daemon: Concentratord, tmp_path: Path
) -> None:
    broker, beside = mosquitto(), mosquitto()
    module = Rui3(tmp_path / "ttyLoRa")
    tables = (
        f"[network_server]\nport = {beside.port}",
        f'[serial]\ndevice = "{module.path}"\nsender = "{DEVICE}"',
        concentratord(daemon),
    )
    config = configure(tmp_path, broker.port, *tables)
    with (
        plugged(module),
        listening(broker.port, UP, LIVE, ACK) as listener,
        running(config) as agent,
        forwarding(agent.udp) as forwarder,
    ):
        daemon.await_subscriber()
        wait_for(lambda: module.listens, "the module listens")
        wait_for(lambda: agent_is_beside(agent.lines), "the agent is at the other broker")
        daemon.hear(make_frame(PHY))
        forwarder.push(PHY[:-1] + b"\x01")
        assert module.hear(b"p2p")
        chirpstack.publish(beside.port, chirpstack.topic(DEVICE), b"{}")
        listener.wait_for(lambda messages: len(heard(messages)) == 4)
        assert heard(listener.messages) == {
            (UP, Kind.LORAWAN, PHY, None),
            (UP, Kind.LORAWAN, PHY[:-1] + b"\x01", None),
            (LIVE, Kind.P2P, b"p2p", DEVICE),
            (LIVE, Kind.APPLICATION, b"{}", chirpstack.topic(DEVICE)),
        }
        answer_downlink(listener, daemon)
        assert agent.stop() == 0


def agent_is_beside(lines: list[str]) -> bool:
    return any("mqtt_connected" in line and "-events" in line for line in lines)


def heard(messages: Sequence[Message]) -> set[tuple[str, Kind, bytes, str | None]]:
    """What came over the air or from a network server: topic, kind, bytes, whose."""
    found = ((m.topic, wire.parse(GATEWAY, m.payload)) for m in messages if m.topic in (UP, LIVE))
    return {
        (topic, said.kind, said.payload, said.device or said.topic)
        for topic, said in found
        if said.kind is not Kind.HEARTBEAT
    }


def answer_downlink(listener: Listener, daemon: Concentratord) -> None:
    """A downlink to what Concentratord heard is its own to send."""
    listener.client.publish(DOWN, make_downlink().SerializeToString())
    listener.wait_for(lambda messages: any(m.topic == ACK for m in messages))
    (ack,) = (m.payload for m in listener.messages if m.topic == ACK)
    assert [item.status for item in gw.DownlinkTxAck.FromString(ack).items] == [gw.OK]
    assert daemon.downlinks == [make_downlink()]


def test_no_event_is_lost_by_kills_under_load(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker, beside = mosquitto(), mosquitto(persistence=True)
    # Nobody gives receipts here, without which only so many would be sent again.
    tables = f"[network_server]\nport = {beside.port}", "[forward]\npuback = true"
    config = configure(tmp_path, broker.port, *tables)
    with running(config) as agent:  # the broker knows it from now on
        wait_for(lambda: agent_is_beside(agent.lines), "the agent is at the other broker")
    said: set[bytes] = set()
    with listening(broker.port, LIVE, topics.backlog(GATEWAY)) as listener:
        for round_ in range(rounds()):
            lines = [b'{"n":"%d.%d"}' % (round_, index) for index in range(_EVENTS)]
            with running(config) as agent, publishing(beside.port, lines):
                listener.wait_for(partial(has_news, len(said)))
                agent.kill()
            said |= set(lines)
        with running(config):
            listener.wait_for(lambda messages: events(messages) >= said)
        assert events(listener.messages) == said


async def test_other_settings_lose_no_event_and_a_stranger_leaves_the_former_in_force(
    mosquitto: Callable[..., Mosquitto], daemon: Concentratord, tmp_path: Path
) -> None:
    broker, beside = mosquitto(), mosquitto()
    server = NetworkServerSettings(port=beside.port)
    forward = ForwardSettings(puback=True)
    settings = make_settings(tmp_path, broker, gateways=(), network_server=server, forward=forward)
    changed = settings
    lines = [b'{"n":%d}' % index for index in range(_EVENTS)]
    with listening(broker.port, LIVE, topics.backlog(GATEWAY)) as listener:
        async with program_running(settings) as program:
            await eventually(lambda: beside.log.count("-events"), bool)
            with publishing(beside.port, lines):
                for turn in range(3):
                    changed = settings.model_copy(update={"heartbeat_s": 100.0 + turn})
                    await program.apply(changed)
                daemon.gateway = GatewayEui("00000000000000aa")
                stranger = ConcentratordSettings(
                    event_url=daemon.event_url, command_url=daemon.command_url
                )
                with pytest.raises(NotRunnable, match="00000000000000aa"):
                    await program.apply(settings.model_copy(update={"concentratord": stranger}))
                assert program.settings == changed
            await asyncio.to_thread(listener.wait_for, lambda m: events(m) >= set(lines))


def has_news(before: int, messages: Sequence[Message]) -> bool:
    return len(events(messages)) > before


@contextmanager
def publishing(port: int, lines: Sequence[bytes]) -> Iterator[None]:
    """Have a network server publish events meanwhile; the broker has them all in the end."""
    where = chirpstack.topic(DEVICE)
    command = [find_mosquitto("mosquitto_pub"), "-p", str(port), "-q", "1", "-t", where, "-l"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"\n".join(lines))
    process.stdin.close()
    yield
    assert process.wait(20) == 0


def events(messages: Sequence[Message]) -> set[bytes]:
    """The events that came, however often."""
    found = (wire.parse(GATEWAY, message.payload) for message in messages)
    return {said.payload for said in found if said.kind is Kind.APPLICATION}


def test_a_concentrator_that_is_another_gateway_is_one_line(
    mosquitto: Callable[..., Mosquitto], daemon: Concentratord, tmp_path: Path
) -> None:
    daemon.gateway = GatewayEui("00000000000000aa")
    config = configure(tmp_path, mosquitto().port, concentratord(daemon))
    done = subprocess.run(
        [sys.executable, "-m", "edge.main", "run", "--config", str(config)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("khaen-edge:")]
    assert "00000000000000aa" in line
    assert "[[gateways]]" in line
    assert "Traceback" not in done.stderr
