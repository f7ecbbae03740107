"""What an engineer asks on the gateway, of a real agent before a real broker, and of none."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import tail
from khaen import topics
from khaen.ids import Epoch
from khaen.wire import parse
from tests.edge.agent import (
    REPOSITORY,
    Agent,
    Listener,
    PacketForwarder,
    forwarding,
    listening,
    running,
    write_config,
)
from tests.edge.fixtures import GATEWAY, make_receipt
from tests.support.broker import Mosquitto
from tests.support.ports import find_free_port
from tests.support.receipts import cover

pytestmark = pytest.mark.end_to_end
DATA = bytes.fromhex("40040302018007000255aabbcc01020304")
TOPICS = (topics.up("as923", GATEWAY), topics.backlog(GATEWAY), topics.live(GATEWAY))


@dataclass
class Terminal:
    """`khaen-edge` commands with one file of settings."""

    config: Path

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "edge.main", *arguments, "--config", str(self.config)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@dataclass
class Roof:
    """A gateway at work: its agent, its packet forwarder, its broker, and who listens there."""

    terminal: Terminal
    agent: Agent
    radio: PacketForwarder
    listener: Listener

    def give_receipts(self) -> None:
        """Say, as ingest does, that all has come that came until now."""
        numbers = [
            heard.number
            for message in self.listener.messages
            if (heard := parse(GATEWAY, message.payload)).number is not None
        ]
        seqs = sorted({number.seq for number in numbers})
        entry = cover(Epoch(numbers[0].epoch), 0, seqs, conflict=False)
        body = make_receipt(entry).model_dump_json().encode()
        self.listener.client.publish(topics.receipt(GATEWAY), body, retain=True)


def make_terminal(folder: Path, mqtt_port: int) -> Terminal:
    config = write_config(folder, mqtt_port, status_s=0.5)
    text = config.read_text().replace("metrics_port = 0", f"metrics_port = {find_free_port()}")
    config.write_text(text)
    return Terminal(config)


@pytest.fixture
def roof(tmp_path: Path, mosquitto: Callable[..., Mosquitto]) -> Iterator[Roof]:
    broker = mosquitto()
    terminal = make_terminal(tmp_path, broker.port)
    with (
        listening(broker.port, *TOPICS) as listener,
        running(terminal.config) as agent,
        forwarding(agent.udp) as radio,
    ):
        radio.push(DATA)
        assert radio.collect(5)
        listener.wait_for(lambda messages: any(DATA in message.payload for message in messages))
        yield Roof(terminal, agent, radio, listener)


def test_status_tail_doctor_and_drain_of_an_agent_at_work(roof: Roof) -> None:
    call = roof.terminal.call
    status = call("status")
    assert status.returncode == 0, status.stderr
    assert f"gateway   {GATEWAY}\nbroker    connected since" in status.stdout
    assert "2 without receipt, the oldest for" in status.stdout
    condition = json.loads(call("status", "--json").stdout)
    assert condition["gateways"][0]["status"]["backlog"] == 2
    assert condition["counts"]["heard"] == {"heartbeat": 1, "lorawan": 1}

    lines = call("tail", "--once", "--kind", "data").stdout.splitlines()
    assert lines[0] == tail.TITLE
    assert re.fullmatch(r"..:..:..\.... data  01020304 .* waiting", lines[1]), lines

    doctor = json.loads(call("doctor", "--json").stdout)
    assert {finding["code"] for finding in doctor} <= {"disk_low", "hot"}

    drain = call("drain", "--timeout", "0")
    assert drain.returncode == 1
    assert f"{GATEWAY}: 2 records, the oldest" in drain.stdout
    roof.give_receipts()
    drain = call("drain")
    assert drain.returncode == 0, drain.stdout
    assert "All that was heard is receipted." in drain.stdout
    assert call("tail", "--once", "--waiting").stdout.splitlines() == [tail.TITLE]


def test_another_gateway_is_named(roof: Roof) -> None:
    stranger = "0016c001f153a1ff"
    datagram = b"\x02\x00\x01\x02" + bytes.fromhex(stranger)
    roof.radio._socket.send(datagram)
    roof.radio.push(DATA)
    assert roof.radio.collect(5), "it was read behind the other one"
    doctor = json.loads(roof.terminal.call("doctor", "--json").stdout)
    (finding,) = [finding for finding in doctor if finding["code"] == "other_gateway"]
    assert f'gateway_eui = "{stranger}"' in finding["remedy"]


def test_tail_follows(roof: Roof) -> None:
    follower = subprocess.Popen(
        [sys.executable, "-m", "edge.main", "tail", "-n", "0", "--json", "--config",
         str(roof.terminal.config)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert follower.stdout is not None
    try:
        heard = threading.Event()
        lines: list[str] = []

        def read() -> None:
            assert follower.stdout is not None
            lines.append(follower.stdout.readline())
            heard.set()

        reader = threading.Thread(target=read, name="what tail says")
        reader.start()
        while not heard.wait(0.1):  # it begins with what comes once it looks
            roof.radio.push(DATA)
            assert roof.radio.collect(5)
        reader.join()
        assert json.loads(lines[0])["device"] == "01020304"
    finally:
        follower.terminate()
        follower.wait(10)
        follower.stdout.close()


def test_without_an_agent(tmp_path: Path, free_port: int) -> None:
    terminal = make_terminal(tmp_path, free_port)
    with running(terminal.config) as agent, forwarding(agent.udp) as radio:
        radio.push(DATA)
        assert radio.collect(5)
    status = terminal.call("status")
    assert status.returncode == 1
    assert "no agent answers" in status.stderr
    assert f"gateway  {GATEWAY}\n" in status.stdout
    assert re.search(r"backlog  [12]\n", status.stdout), (
        "the frame, and a heartbeat if it was in time"
    )
    drain = terminal.call("drain")
    assert drain.returncode == 1
    assert "systemctl start khaen-edge" in drain.stderr
    doctor = terminal.call("doctor")
    assert doctor.returncode == 1
    text = " ".join(doctor.stdout.split())
    assert text.index("1. No agent answers") < text.index("nothing listens on")
    assert "Traceback" not in status.stderr + drain.stderr + doctor.stderr
