"""The tap: carries both ways as if it were not there, and writes down what passes."""

import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.main import main
from edge.tap import keeping
from edge.tap.tap import Tap, run
from khaen import ready
from khaen.capture import Header, Limits, Reader, Road
from khaen.clock import ManualClock
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


def make_tap(folder: Path, agent: Agent, *more: str, out: Path | None = None) -> Program:
    out = out or folder / "x.khcap"
    arguments = ("-m", "edge.main", "record", out, "--listen", "127.0.0.1:0")
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


def push_much(sender: Forwarder, agent: Agent, times: int) -> None:
    """What zlib cannot make much smaller."""
    for number in range(times):
        sender.push(random.Random(number).randbytes(40_000))
        agent.answer()


@pytest.mark.parametrize("limit", ["--cap-mb", "--part-mb"])
def test_a_capture_that_cannot_go_on_does_not_stop_the_carrying(tmp_path: Path, limit: str) -> None:
    agent, card = Agent(), tmp_path / "card"
    card.mkdir()
    tap = make_tap(tmp_path, agent, limit, "0.1", out=card / "x.khcap")
    port = int(tap.start()["udp"].rpartition(":")[2])
    sender = Forwarder(EUI, port)
    try:
        push_much(sender, agent, 2)
        card.rename(tmp_path / "gone")
        push_much(sender, agent, 3)
        wait_for(lambda: "datagrams are still carried" in tap.log, "it says that it cannot go on")
        token = sender.push(b"later")
        last = agent.answer()
        assert sender.is_acked(token)
        tap.stop()
    finally:
        tap.kill()
        sender.close()
        agent.socket.close()
    assert tap.log.count("datagrams are still carried") == 1
    (file,) = (tmp_path / "gone").glob("*.khcap")
    with Reader(file) as reader:
        assert last not in [record.payload for record in reader]


def test_a_disk_that_does_not_answer_holds_no_datagram_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 8, 0, tzinfo=UTC))
    about = Header(tool="khaen test", began=clock.now())
    answers, stuck = threading.Event(), threading.Event()
    real = os.fsync

    def wait(file: int) -> None:
        stuck.set()
        assert answers.wait(20)
        real(file)

    kept = keeping.Keeping(tmp_path / "x.khcap", about, Limits(), clock)
    monkeypatch.setattr(os, "fsync", wait)
    kept.keep(Road.UDP_UP, b"first")
    for _ in range(2000):
        clock.advance(keeping.FLUSH_S)
        if stuck.wait(0.01):
            break
    for number in range(2000):
        kept.keep(Road.UDP_UP, number.to_bytes(2, "big"))
    assert kept.dropped == 2000 - 1024
    answers.set()
    kept.close()
    assert kept.summary.startswith("1025 datagrams, ")
    assert "976 came too fast" in kept.summary
    with Reader(tmp_path / "x.khcap") as reader:
        assert len(list(reader)) == 1025


def test_a_socket_that_asks_for_downlinks_is_not_forgotten_for_new_ones(tmp_path: Path) -> None:
    agent = Agent()
    tap = make_tap(tmp_path, agent)
    port = int(tap.start()["udp"].rpartition(":")[2])
    puller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    puller.settimeout(20)
    try:
        puller.sendto(b"\x02\x00\x00\x02" + bytes.fromhex(EUI), ("127.0.0.1", port))
        _, way_down = agent.socket.recvfrom(100)
        for _ in range(70):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"x", ("127.0.0.1", port))
                assert agent.socket.recv(100) == b"x"
        agent.socket.sendto(b"\x02\x00\x00\x03{}", way_down)
        assert puller.recv(100) == b"\x02\x00\x00\x03{}"
        tap.stop()
    finally:
        tap.kill()
        puller.close()
        agent.socket.close()


def test_a_tap_that_cannot_carry_any_more_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_tap: Tap, _address: tuple[str, int]) -> bool:
        raise LookupError

    monkeypatch.setattr(Tap, "_open", fail)
    listen = ("127.0.0.1", find_free_udp_port())

    async def carry() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            path = tmp_path / "x.khcap"
            work = run(path, listen, listen, limits=Limits(), seconds=None)
            carrying = asyncio.create_task(work)
            while not carrying.done():
                sender.sendto(b"x", listen)
                await asyncio.sleep(0.01)
            await carrying

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(carry())
    assert raised.value.subgroup(LookupError)


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "a..b:1701"), "'a..b': "),
        (("--to", "1701", "--part-mb", "nan"), "a limit of nan MB: give 0.1 or more"),
        (("--to", "1701", "--part-mb", "0"), "a limit of 0 MB: give 0.1 or more"),
        (("--to", "1701", "--cap-mb", "1e999"), "a limit of inf MB: give 0.1 or more"),
        (("--to", "1701", "--listen", "a..b:1700"), "udp a..b:1700: "),
    ],
)
def test_a_wish_that_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert main(["record", str(tmp_path / "x"), *arguments]) == 1
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
