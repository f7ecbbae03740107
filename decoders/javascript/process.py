"""One worker process as its engine sees it: started, asked, and ended whatever it does."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from decoders.javascript import pipe
from decoders.javascript.codec import Limits
from decoders.javascript.pipe import Job
from khaen.errors import NotRunnable

START_S = 20.0
"""How long a worker may take to be there, in seconds, on a machine that is busy with others."""
_READ_BYTES = 1 << 16


class WorkerGone(Exception):
    """The process ended, or had to be ended, before it had answered."""


class Process:
    """Starts a worker. Raises NotRunnable where it does not come up.

    Serves one batch at a time; after WorkerGone it is ended and another one takes its place.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._splitter = pipe.Splitter()
        self._known: set[str] = set()
        self._child = subprocess.Popen(
            (sys.executable, "-P", "-m", "decoders.javascript.worker", json.dumps(asdict(limits))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"TZ": "UTC0", "MALLOC_ARENA_MAX": "1"},
            cwd="/",
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._to, self._from = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._to, False)
        try:
            next(self._receive(START_S))
        except WorkerGone as error:
            self.end()
            raise NotRunnable(
                f"the process for vendors' codecs does not start: {error};"
                " is quickjs-ng installed, and is there memory?"
            ) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone, by whatever hand."""
        return self._child.poll() is not None

    def ask(self, sources: Mapping[str, str], jobs: Sequence[Job]) -> Iterator[tuple[str, int]]:
        """The answers to `jobs`, each as it comes: JSON, and microseconds in the engine.

        `sources` are by digest; those it has already are not sent. Raises WorkerGone where an
        answer does not come: the job that is due then is the one that ended it.
        """
        fresh = {digest: text for digest, text in sources.items() if digest not in self._known}
        self._send(pipe.pack(json.dumps({"sources": fresh, "jobs": jobs})))
        self._known |= fresh.keys()
        answers = self._receive(self._limits.wall_s)
        for _ in jobs:
            yield next(answers)

    def end(self) -> None:
        """Kill the process and wait for it."""
        self._child.kill()
        self._child.communicate()

    def _send(self, message: bytes) -> None:
        rest = memoryview(message)
        deadline = time.monotonic() + self._limits.wall_s
        while rest:
            self._wait(deadline, writing=True)
            try:
                rest = rest[os.write(self._to, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._gone() from None

    def _receive(self, patience_s: float) -> Iterator[tuple[str, int]]:
        while True:
            self._wait(time.monotonic() + patience_s, writing=False)
            data = os.read(self._from, _READ_BYTES)
            if not data:
                raise self._gone()
            yield from self._splitter.split(data)

    def _wait(self, deadline: float, *, writing: bool) -> None:
        patience = max(0.0, deadline - time.monotonic())
        ready = select.select(
            () if writing else (self._from,), (self._to,) if writing else (), (), patience
        )
        if not any(ready):
            self._child.kill()
            raise WorkerGone("it got no time for too long")

    def _gone(self) -> WorkerGone:
        status = self._child.wait()
        return WorkerGone(f"signal {-status}" if status < 0 else f"exit status {status}")
