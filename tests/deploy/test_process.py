"""One program: known to be ready, started again, stopped."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deploy import process as module
from deploy.process import Command, Process
from khaen.errors import NotRunnable

READY = "import json, sys, time; print(json.dumps({'ready': 'x', 'url': 'here'}), flush=True);"


class Made:
    """Processes of Python texts, and what was said of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.heard: list[str] = []
        self.changed = asyncio.Event()
        self.all: list[Process] = []

    def make(self, text: str) -> Process:
        command = Command(name="x", arguments=(sys.executable, "-S", "-c", text))
        made = Process(command, self.folder / "x.log", self._say, self.heard.append)
        self.all.append(made)
        return made

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.changed.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(10):
            while not any(text in said for said in self.said):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Made]:
    made = Made(tmp_path)
    yield made
    for process in made.all:
        await process.stop(asyncio.get_running_loop().time() + 1)


async def test_it_is_ready_when_it_says_so(made: Made) -> None:
    process = made.make("print('a word', flush=True);" + READY + "time.sleep(60)")
    await process.start()
    assert process.announced["url"] == "here"
    assert made.heard == ["a word"]
    pid = process.pid
    assert pid is not None
    await process.stop(asyncio.get_running_loop().time() + 2)
    assert process.pid is None
    assert not psutil.pid_exists(pid)


async def test_one_that_ends_at_once_is_quoted(made: Made) -> None:
    process = made.make("import sys; print('port taken', file=sys.stderr); sys.exit(2)")
    with pytest.raises(NotRunnable, match="x ended at once: port taken"):
        await process.start()


async def test_one_that_does_not_exist_is_named(made: Made) -> None:
    process = Process(
        Command(name="x", arguments=("/nowhere/x",)), made.folder / "x.log", print, print
    )
    with pytest.raises(NotRunnable, match="/nowhere/x: No such file"):
        await process.start()


async def test_one_that_never_works_is_given_up(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_S", 0.3)
    process = made.make("import time; time.sleep(60)")
    with pytest.raises(NotRunnable, match="was not ready within"):
        await process.start()
    assert process.pid is None


async def test_one_that_dies_runs_again_and_this_is_said(made: Made) -> None:
    process = made.make(READY + "time.sleep(60)")
    await process.start()
    first = process.pid
    assert first is not None
    psutil.Process(first).kill()
    await made.until("runs again")
    assert made.said[0].startswith("x ended (SIGKILL); starting again in ")
    assert process.pid not in (None, first)
    assert process.restarts == 1


async def test_one_that_cannot_run_again_is_tried_further(made: Made) -> None:
    flag = made.folder / "flag"
    process = made.make(
        f"import os; os.path.exists({str(flag)!r}) and os._exit(3); open({str(flag)!r}, 'w');"
        + READY
        + "time.sleep(60)"
    )
    await process.start()
    assert process.pid is not None
    psutil.Process(process.pid).kill()
    await made.until("did not start again: x ended at once: exit status 3")
    flag.unlink()
    await made.until("runs again")


async def test_one_that_does_not_listen_is_killed_in_time(made: Made) -> None:
    process = made.make(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + READY + "time.sleep(60)"
    )
    await process.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await process.stop(began + 0.3)
    assert 0.25 < loop.time() - began < 2
    assert process.pid is None


async def test_a_log_that_grew_large_makes_room(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_LOG", 10)
    (made.folder / "x.log").write_text("many old words")
    await made.make(READY + "time.sleep(60)").start()
    assert (made.folder / "x.log.1").read_text() == "many old words"
    assert (made.folder / "x.log").stat().st_mode & 0o777 == 0o600
