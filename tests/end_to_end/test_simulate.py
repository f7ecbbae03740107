"""`khaen simulate` as a person has it: a whole site under a real terminal, with what is typed."""

import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.end_to_end

START_S = 60.0
STOP_S = 5.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal of 80 by 24 with `khaen simulate` in its foreground."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True)
        self._text = ""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.environ |= {"TMPDIR": str(self.scratch), "TERM": "xterm-256color"}
            command = [sys.executable, "-P", "-m", "commands.main", "simulate", *arguments]
            os.execv(sys.executable, command)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._master, False)
        self.process = psutil.Process(self.pid)
        self.status: int | None = None

    @property
    def text(self) -> str:
        """All that was written so far, without what moves the cursor."""
        with suppress(BlockingIOError, OSError):
            while data := os.read(self._master, 65_536):
                self._text += data.decode(errors="replace")
        return _ESCAPES.sub("", self._text)

    @property
    def raw(self) -> str:
        """The same with it."""
        return self._text

    def type(self, line: str) -> None:
        os.write(self._master, line.encode())

    def until(self, words: str, seconds: float = START_S) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert not self.over(), self.text[-2000:]
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.text[-3000:]}"
            time.sleep(0.05)

    def over(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def ends(self, seconds: float = STOP_S) -> int:
        deadline = time.monotonic() + seconds
        while not self.over():
            assert time.monotonic() < deadline, self.text[-2000:]
            assert self.text is not None  # a full terminal would hold it back
            time.sleep(0.02)
        assert self.status is not None
        return self.status

    def close(self) -> None:
        if not self.over():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        terminals.append(Terminal(tmp_path / f"run-{len(terminals)}", *arguments))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_a_person_makes_things_happen_and_sees_them(simulate: Callable[..., Terminal]) -> None:
    terminal = simulate("--network-server")
    terminal.until("SIMULATED")
    children = terminal.process.children(recursive=True)
    assert len(children) == 7  # broker, three agents, ingest, alarms, console
    terminal.type("sos R-0012\r")
    terminal.until("เหตุ R-0012 กดขอความช่วยเหลือ  ·  P1 sos R-0012: unacknowledged")
    terminal.type("accept R-0012\r")
    terminal.until("P1 sos R-0012: acknowledged")
    terminal.type("cut gw-2\rfault loss=0.5\r")
    terminal.until("cut (refuse)")
    terminal.until("fault begins: loss=0.5")
    terminal.type("restore gw-2\rfault off\rfall R-9999\r")
    terminal.until("R-9999")
    terminal.type("quit\r")
    assert terminal.ends() == 0
    assert not [child for child in children if child.is_running()]
    assert list(terminal.scratch.iterdir()) == []
    assert "Traceback" not in terminal.text
    assert "token=" not in terminal.text
    # The other screen is left, and the cursor is there again.
    assert terminal.raw.rindex("\x1b[?1049l") > terminal.raw.rindex("\x1b[?1049h")
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")


@pytest.mark.parametrize("words", ["broker ", "SIMULATED"])
def test_ctrl_c_ends_everything_at_any_time(simulate: Callable[..., Terminal], words: str) -> None:
    terminal = simulate()
    terminal.until(words)
    children = terminal.process.children(recursive=True)
    terminal.type("\x03")
    assert terminal.ends() == 0
    assert not [child for child in children if child.is_running()]
    assert list(terminal.scratch.iterdir()) == []
    assert "Traceback" not in terminal.text


def test_a_console_port_that_is_taken_is_one_clear_line(tmp_path: Path, free_port: int) -> None:

    with socket.create_server(("127.0.0.1", free_port)):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "commands.main", "simulate", "--port", str(free_port)],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("khaen: ")
    assert str(free_port) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
