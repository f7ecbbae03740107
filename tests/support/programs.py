"""Real programs as processes: started, seen ready, killed, started again as they were."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from khaen import ready

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 10.0
TAIL = 4000
"""Characters of a log that a failure shows."""

T = TypeVar("T")


def wait_for(
    ask: Callable[[], T],
    what: str | Callable[[], str],
    *,
    timeout_s: float = 30.0,
    every_s: float = 0.02,
) -> T:
    """What `ask` answers as soon as it is true; AssertionError saying `what` if it never is."""
    deadline = time.monotonic() + timeout_s
    while not (found := ask()):
        if time.monotonic() >= deadline:
            raise AssertionError(
                f"not within {timeout_s} s: {what if isinstance(what, str) else what()}"
            )
        time.sleep(every_s)
    return found


class Program:
    """One program of ours, run by this interpreter with `arguments`; its logs go to `folder`.

    It is ready when it announces itself on standard output.
    """

    def __init__(self, name: str, arguments: Sequence[str | Path], *, folder: Path) -> None:
        self.name = name
        self._command = [sys.executable, *map(str, arguments)]
        self._error, self._output = folder / f"{name}.log", folder / f"{name}.out"
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0, 0

    @property
    def pid(self) -> int:
        """The process, while there is one."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it wrote on standard error, over all its lives."""
        return self._error.read_text(errors="replace") if self._error.exists() else ""

    @property
    def output(self) -> str:
        """All that it wrote on standard output."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def launch(self) -> None:
        """Start it and return at once."""
        assert self._process is None, f"{self.name} runs already"
        self._began = len(self.log), len(self.output)
        with self._error.open("ab") as error, self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error,
                cwd=ROOT,
                env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"},
            )

    def start(self) -> dict[str, str]:
        """Start it and return when it works: what it announced."""
        self.launch()
        return self.await_ready()

    def await_ready(self, timeout_s: float = START_S) -> dict[str, str]:
        """Wait until it works: what it announced."""

        def look() -> list[dict[str, str]]:
            found = self.announced()
            assert found or self.is_running, f"{self.name} ended: {self.tail()}"
            return [found] if found else []

        what = f"{self.name} not ready"
        return wait_for(look, lambda: f"{what}: {self.tail()}", timeout_s=timeout_s)[0]

    def await_logged(self, event: str, times: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until it has logged an event so often in this life."""
        wait_for(
            lambda: self.since_start().count(f"event={event}") >= times,
            lambda: f"{self.name}: {times} times {event}: {self.tail()}",
            timeout_s=timeout_s,
        )

    def announced(self) -> dict[str, str]:
        """What it has announced in this life; empty as long as it is not ready."""
        for line in self.output[self._began[1] :].splitlines():
            if (found := ready.parse(line)) is not None:
                return found
        return {}

    def since_start(self) -> str:
        """What it logged in this life."""
        return self.log[self._began[0] :]

    def tail(self) -> str:
        """The end of what it wrote."""
        return f"{self.output[-TAIL // 4 :]}\n{self.log[-TAIL:]}"

    def kill(self) -> None:
        """End it as a power cut would; nothing where it has ended."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """End it in good order: the seconds it took. Nothing where it has ended."""
        began = time.monotonic()
        code = self._end(signal.SIGTERM)
        assert code in (0, None), f"{self.name} ended with {code}: {self.tail()}"
        return time.monotonic() - began

    def pause(self) -> None:
        """Stop the whole process where it is."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, by: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(by)
        process.send_signal(signal.SIGCONT)  # a paused process would hear of nothing else
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end in {STOP_S} s: {self.tail()}") from None


class Threaded:
    """Something that runs in a thread of its own until it is told to stop."""

    def __init__(self, name: str, step: Callable[[], None]) -> None:
        self._step = step
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._step()
        except Exception as error:  # noqa: BLE001 - handed to whoever stops it
            self._error = error

    def stop(self) -> None:
        """End it after the step at hand; raises what a step raised."""
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
