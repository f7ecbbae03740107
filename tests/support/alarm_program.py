"""The alarm program as a process of its own, and a receiver of its calls."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from khaen import ready

ROOT = Path(__file__).parents[2]
START_S = 30.0
_CODE = """
import sys
from pathlib import Path
from khaen import log
from khaen.settings import Settings, load
from alarms.program import run
log.configure(program="alarms")
run(load(Settings, Path(sys.argv[1])))
"""

T = TypeVar("T")


def wait_for(ask: Callable[[], T], what: str, timeout_s: float = 20.0) -> T:
    """What `ask` answers as soon as it is true; AssertionError naming `what` if it never is."""
    deadline = time.monotonic() + timeout_s
    while not (found := ask()):
        assert time.monotonic() < deadline, f"in {timeout_s} s: no {what}"
        time.sleep(0.01)
    return found


class AlarmProgram:
    """One process; its settings are those of the ledger at `path`."""

    def __init__(self, path: Path, *, name: str = "main", heartbeat_s: float = 150.0) -> None:
        self._folder = path.parent
        self._name = name
        self._config = self._folder / f"khaen-{name}.toml"
        self._config.write_text(
            f'[ledger]\nurl = "sqlite:///{path}"\n'
            f'[alarms]\nname = "{name}"\nheartbeat_s = {heartbeat_s}\nmetrics_port = 0\n'
        )
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []
        self.metrics = ""

    @property
    def log(self) -> str:
        """What it wrote on standard error."""
        return (self._folder / f"{self._name}.log").read_text()

    @property
    def has_ended(self) -> bool:
        """Whether it was ended, and waited for."""
        return self._process is None

    def start(self) -> None:
        """Run it, and return when it says that it is ready."""
        with (self._folder / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(self._config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "NO_PROXY": "127.0.0.1"},
            )
        started = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(started,), daemon=True)
        self._reader.start()
        assert started.wait(START_S), f"the alarm program did not start: {self.log}"
        assert self.metrics, self.log

    def _read(self, started: threading.Event) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self.output.append(line.rstrip("\n"))
                if (announced := ready.parse(line)) is not None:
                    self.metrics = announced["metrics"]
                    started.set()
        started.set()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """End it in good order; how many seconds that took. Nothing where it has ended."""
        begun = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - begun

    def _end(self, by: signal.Signals) -> None:
        process = self._process
        if process is not None:
            process.send_signal(by)
            code = process.wait(10)
            self._reader.join(10)
            self._process = None
            assert by is signal.SIGKILL or code == 0, self.log


@pytest.fixture
def alarm_program(tmp_path: Path) -> Iterator[Callable[..., AlarmProgram]]:
    """Starts alarm programs on the ledger of this test; ends them all."""
    programs: list[AlarmProgram] = []

    def start(**settings: Any) -> AlarmProgram:
        program = AlarmProgram(tmp_path / "ledger.sqlite", **settings)
        programs.append(program)
        program.start()
        return program

    yield start
    for program in programs:
        program.kill()


@dataclass(slots=True)
class Call:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body, which is JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Receiver:
    """An HTTP server that keeps what it gets; `answer` decides the status, and may wait."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answer: Callable[[Call], int] = lambda _: 204

    def keys(self) -> list[str]:
        """The idempotency keys of all calls, in order."""
        return [call.headers["Idempotency-Key"] for call in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(path=self.path, headers=dict(self.headers), body=body)
            found.calls.append(call)
            status = found.answer(call)
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever called was killed meanwhile

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
