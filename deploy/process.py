"""One program of a site: started, known to be ready, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from khaen import ready
from khaen.backoff import Backoff
from khaen.errors import NotRunnable

READY_S = 60.0
"""A slow machine needs seconds to load a program; what is not ready by then will not be."""
_STEADY_S = 30.0
_LOOK_S = 0.02
_LARGEST_LOG = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a program is run. One that does not announce itself is ready when `address` takes
    connections.
    """

    name: str
    arguments: Sequence[str]
    announces: bool = True
    address: tuple[str, int] | None = None


class Process:
    """A program that is kept running between `start` and `stop`.

    It dies with whoever started it, however that one ends. Standard error goes to the log file;
    what it prints beside its announcement goes to `heard`.
    """

    def __init__(self, command: Command, log: Path, say: Say, heard: Say) -> None:
        self.command = command
        self.log = log
        self.announced: Mapping[str, str] = {}
        self.restarts = 0
        self._say, self._heard = say, heard
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._backoff = Backoff(base=0.5, cap=30.0)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.command.name

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        child = self._child
        return child.pid if child is not None and child.returncode is None else None

    async def start(self) -> None:
        """Run it and wait until it is ready. Raises NotRunnable with its own last words."""
        await self._run()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, deadline: float) -> None:
        """Ask it to end; at `deadline` (monotonic seconds of the loop) make it. Never raises."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        await self._end(deadline)

    async def _keep(self) -> None:
        """Start it again whenever it dies, at growing intervals."""
        while self._child is not None:
            began = time.monotonic()
            code = await self._child.wait()
            if time.monotonic() - began > _STEADY_S:
                self._backoff.reset()
            wait = self._backoff.next()
            self._say(f"{self.name} ended ({describe(code)}); starting again in {wait:.1f} s")
            await asyncio.sleep(wait)
            self.restarts += 1
            try:
                await self._run()
            except NotRunnable as error:
                self._say(f"{self.name} did not start again: {error}")
            else:
                self._say(f"{self.name} runs again")

    async def _run(self) -> None:
        await self._join_reader()
        loop = asyncio.get_running_loop()
        announcement: asyncio.Future[dict[str, str]] = loop.create_future()
        self._child = await self._spawn()
        self._reader = asyncio.create_task(
            self._read(self._child, announcement), name=f"read {self.name}"
        )
        try:
            async with asyncio.timeout(READY_S):
                self.announced = await self._await_ready(self._child, announcement)
        except TimeoutError:
            await self._end(loop.time())
            raise NotRunnable(
                f"{self.name} was not ready within {READY_S:.0f} s; its log is {self.log}"
            ) from None

    async def _spawn(self) -> asyncio.subprocess.Process:
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *self.command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                start_new_session=True,  # Ctrl-C is ours alone: there is an order of stopping
                preexec_fn=_dying_with(os.getpid()),
            )
        except OSError as error:
            raise NotRunnable(f"{self.command.arguments[0]}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    async def _read(
        self, child: asyncio.subprocess.Process, announcement: asyncio.Future[dict[str, str]]
    ) -> None:
        assert child.stdout is not None
        while line := await child.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            found = ready.parse(text)
            if found is None:
                self._heard(text)
            elif not announcement.done():
                announcement.set_result(found)

    async def _await_ready(
        self, child: asyncio.subprocess.Process, announcement: asyncio.Future[dict[str, str]]
    ) -> dict[str, str]:
        waits: Coroutine[Any, Any, dict[str, str]]
        waits = _first(announcement) if self.command.announces else self._connect()
        ready_task = asyncio.create_task(waits, name=f"ready {self.name}")
        exit_task = asyncio.create_task(child.wait(), name=f"exit {self.name}")
        try:
            await asyncio.wait({ready_task, exit_task}, return_when=asyncio.FIRST_COMPLETED)
            if ready_task.done():
                return ready_task.result()
            raise NotRunnable(f"{self.name} ended at once: {self._last_words(exit_task.result())}")
        finally:
            for task in (ready_task, exit_task):
                task.cancel()
            await asyncio.gather(ready_task, exit_task, return_exceptions=True)

    async def _connect(self) -> dict[str, str]:
        assert self.command.address is not None
        host, port = self.command.address
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(_LOOK_S)  # nothing tells when a stranger's port opens
            else:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
                return {"address": f"{host}:{port}"}

    def _last_words(self, code: int) -> str:
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else describe(code)

    async def _end(self, deadline: float) -> None:
        child = self._child
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                child.terminate()
            try:
                async with asyncio.timeout_at(deadline):
                    await child.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        await self._join_reader()

    async def _join_reader(self) -> None:
        """Read to the end: it comes with the process's, unless a child of it keeps the pipe."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.wait({reader}, timeout=0.2)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _first(announcement: asyncio.Future[dict[str, str]]) -> dict[str, str]:
    return await announcement


def describe(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"exit status {code}"
    return signal.Signals(-code).name


def _dying_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes the program: ask to be killed when `parent` dies."""

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask
