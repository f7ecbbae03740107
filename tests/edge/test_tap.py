"""The tap: carries both ways as if it were not there, and writes down what passes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.main import main
from khaen import ready
from khaen.capture import Reader, Road
from khaen.ids import GatewayEui
from tests.support.forwarder import PUSH_ACK, Forwarder
from tests.support.ports import find_free_udp_port
from tests.support.programs import ROOT, Program, wait_for

EUI = GatewayEui("ac1f09fffe0a0b01")


class Agent:
    """Answers every PUSH_DATA, as an agent does; `answer` answers the oldest asked for."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        self.port = self.socket.getsockname()[1]

    def answer(self) -> bytes:
        data, address = self.socket.recvfrom(65_536)
        self.socket.sendto(data[:3] + bytes((PUSH_ACK,)), address)
        return data


def make_tap(folder: Path, agent: Agent, *more: str) -> Program:
    arguments = ("-m", "edge.main", "record", folder / "x.khcap", "--listen", "127.0.0.1:0")
    return Program("tap", (*arguments, "--to", f"127.0.0.1:{agent.port}", *more), folder=folder)


def test_both_directions_pass_and_are_written_down(tmp_path: Path) -> None:
    agent = Agent()
    tap = make_tap(tmp_path, agent)
    port = int(tap.start()["udp"].rpartition(":")[2])
    senders = [Forwarder(EUI, port), Forwarder(EUI, port)]  # its two sockets: up and down
    try:
        sent = []
        for number in range(10):
            token = senders[number % 2].push(bytes((number,)) * 20)
            sent.append(agent.answer())
            assert senders[number % 2].is_acked(token)
        tap.stop()
    finally:
        tap.kill()
        for sender in senders:
            sender.close()
        agent.socket.close()
    assert "20 datagrams, 0.00 MB" in tap.output
    assert "0 could not be forwarded" in tap.output
    with Reader(tmp_path / "x.khcap") as reader:
        found = list(reader)
        assert reader.header.recorded[1] == f"udp 127.0.0.1:{agent.port}"
    assert [r.payload for r in found if r.road is Road.UDP_UP] == sent
    answers = [r.payload for r in found if r.road is Road.UDP_DOWN]
    assert answers == [data[:3] + bytes((PUSH_ACK,)) for data in sent]


def test_a_full_capture_does_not_stop_the_carrying(tmp_path: Path) -> None:
    agent = Agent()
    tap = make_tap(tmp_path, agent, "--cap-mb", "0.001")
    port = int(tap.start()["udp"].rpartition(":")[2])
    sender = Forwarder(EUI, port)
    try:
        sender.push(bytes(250), note="x" * 2000)
        agent.answer()
        wait_for(lambda: "datagrams are still carried" in tap.log, "it says that it is full")
        token = sender.push(b"later")
        agent.answer()
        assert sender.is_acked(token)
        tap.stop()
    finally:
        tap.kill()
        sender.close()
        agent.socket.close()
    assert "0 datagrams" in tap.output


@pytest.mark.parametrize(
    ("listen", "says"),
    [("nonsense", "is no address"), ("70000", "is no address"), ("taken", "another program")],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listen: str, says: str
) -> None:
    port = find_free_udp_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        where = f"127.0.0.1:{port}" if listen == "taken" else listen
        assert main(["record", str(tmp_path / "x"), "--listen", where, "--to", "1701"]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_it_ends_after_its_time(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge.main", "record", str(tmp_path / "x.khcap")]
    command += ["--listen", "0", "--to", "1", "--for", "0.05"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    first, last = done.stdout.splitlines()
    assert ready.parse(first) is not None
    assert last.startswith("0 datagrams, 0.00 MB, in ")
