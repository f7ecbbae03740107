"""The agent as systemd runs it: a socket that outlives it, and signs of life that can end.

systemd is played by the test: it holds the sockets, and starts the real process.
"""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.agent import REPOSITORY, PacketForwarder, write_config

pytestmark = pytest.mark.end_to_end
START_S, WATCHDOG_S, BURST = 15.0, 0.8, 300
# Only the process itself knows its id in time: it says it, and then becomes the agent.
BECOME = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Systemd:
    """Holds the UDP socket and the notify socket, and starts agents with both."""

    def __init__(self, folder: Path, broker: int) -> None:
        self.config = write_config(folder, broker)
        self.outbox = folder / "outbox.sqlite"
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.udp.bind(("127.0.0.1", 0))
        self.port: int = self.udp.getsockname()[1]
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1_000_000)),
        }

    @contextlib.contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """An agent that says it is ready; it is gone in the end."""
        kept = self.udp.fileno()
        agent = ("-m", "edge.main", "run", "--config", str(self.config))
        process = subprocess.Popen(
            [sys.executable, "-c", BECOME, str(kept), *agent],
            cwd=REPOSITORY,
            env=self._environment,
            pass_fds=(kept,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.await_word("READY=1", START_S)
            yield process
        finally:
            process.kill()
            process.wait()

    def await_word(self, word: str, timeout_s: float) -> None:
        """Return when the agent says a word. Raises TimeoutError."""
        self._notify.settimeout(timeout_s)
        while word not in self._notify.recv(4096).decode().split("\n"):
            pass

    def is_silent(self, seconds: float) -> bool:
        """Whether it says nothing for so long."""
        self._notify.settimeout(seconds)
        try:
            self._notify.recv(4096)
        except TimeoutError:
            return True
        return False

    def forget_words(self) -> None:
        """Pass over what was said until now."""
        self._notify.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._notify.recv(4096):
                pass

    def close(self) -> None:
        self.udp.close()
        self._notify.close()


@pytest.fixture
def systemd(tmp_path: Path, free_port: int) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path, free_port)
    yield systemd
    systemd.close()


@pytest.fixture
def radio(systemd: Systemd) -> Iterator[PacketForwarder]:
    radio = PacketForwarder(systemd.port)
    yield radio
    radio.close()


def test_what_comes_while_it_is_down_is_taken_by_the_next(
    systemd: Systemd, radio: PacketForwarder
) -> None:
    with systemd.run() as process:
        for i in range(BURST):
            radio.push(b"\x40 before %d" % i)
        process.kill()
        process.wait()
    for i in range(BURST):
        radio.push(b"\x40 meanwhile %d" % i)
    with systemd.run():
        meanwhile = {b"\x40 meanwhile %d" % i for i in range(BURST)}
        while not meanwhile <= set(radio.acknowledged):
            assert radio.collect(10), f"{len(radio.acknowledged)} were acknowledged"


def test_signs_of_life_end_while_the_outbox_hangs(systemd: Systemd) -> None:
    with systemd.run():
        systemd.await_word("WATCHDOG=1", START_S)
        with contextlib.closing(sqlite3.connect(systemd.outbox, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the agent waits for its turn, as for a hung card
            systemd.is_silent(WATCHDOG_S / 2)  # one sign may be on its way
            systemd.forget_words()
            assert systemd.is_silent(WATCHDOG_S)
            other.execute("ROLLBACK")
        systemd.await_word("WATCHDOG=1", START_S)


def test_signs_of_life_end_while_the_process_hangs(systemd: Systemd) -> None:
    with systemd.run() as process:
        systemd.await_word("WATCHDOG=1", START_S)
        process.send_signal(signal.SIGSTOP)
        systemd.forget_words()
        assert systemd.is_silent(WATCHDOG_S)
        process.send_signal(signal.SIGCONT)
        systemd.await_word("WATCHDOG=1", START_S)


def test_its_end_is_told(systemd: Systemd) -> None:
    with systemd.run() as process:
        process.terminate()
        systemd.await_word("STOPPING=1", START_S)
        assert process.wait(10) == 0
