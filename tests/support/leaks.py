"""Fails a test that leaves threads, child processes, open sockets or asyncio tasks behind."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

GRACE_S = 2.0
"""How long what is on its way out may take; what is still there then was left behind."""

_KEPT_BY_PYTHON = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


class LeftBehindError(AssertionError):
    """A test ended and something that it began goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What this process has at one moment, by name."""

    threads: frozenset[str]
    children: frozenset[str]
    sockets: frozenset[str]

    def since(self, before: "Belongings") -> list[str]:
        """What is here now and was not before, in words."""
        return [
            f"{kind} {name}"
            for kind, now, then in (
                ("thread", self.threads, before.threads),
                ("child process", self.children, before.children),
                ("open socket", self.sockets, before.sockets),
            )
            for name in sorted(now - then)
        ]


def take_stock() -> Belongings:
    """Look at this process now: threads that are no daemons, its children, its sockets."""
    return Belongings(
        threads=frozenset(
            f"{thread.name} ({thread.ident})"
            for thread in threading.enumerate()
            if not thread.daemon
        ),
        children=frozenset(_list_children()),
        sockets=frozenset(_list_sockets()),
    )


def _list_children() -> Iterator[str]:
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended while we looked
        for pid in pids:
            try:
                command = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if not any(name in command for name in _KEPT_BY_PYTHON):
                # A process that died and was not waited for has no command line left.
                yield f"{pid} {command.strip() or '(ended, never waited for)'}"


def _list_sockets() -> Iterator[str]:
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a Path would be joined for each)
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        except FileNotFoundError:
            continue  # the descriptor of this very listing
        if target.startswith("socket:"):
            yield f"{target} (descriptor {descriptor})"


def find_left_behind(before: Belongings, grace_s: float = GRACE_S) -> list[str]:
    """What was begun since `before` and is still there after `grace_s` seconds."""
    deadline = time.monotonic() + grace_s
    while (left := take_stock().since(before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test after which a thread, a child process or a socket of its own is still there.

    Fixtures of a wider scope are set up before this one looks, so what they keep is theirs.
    """
    before = take_stock()
    yield
    if left := find_left_behind(before):
        raise LeftBehindError("left behind: " + "; ".join(left))


def forbid_abandoned_tasks(patch: pytest.MonkeyPatch) -> None:
    """Make asyncio.Runner.close raise where tasks are pending; by itself it cancels them silently.

    The runner is closed after the test and after its asynchronous fixtures, by pytest-asyncio as by
    asyncio.run: whatever is pending then, nobody awaits.
    """
    close = asyncio.Runner.close

    def close_strictly(runner: asyncio.Runner) -> None:
        # Closing twice is allowed; a runner without a loop must not make one now.
        loop = getattr(runner, "_loop", None)
        pending = asyncio.all_tasks(loop) if loop is not None and not loop.is_closed() else set()
        abandoned = sorted(f"{task.get_name()} {task.get_coro()!r}" for task in pending)
        close(runner)
        if abandoned:
            raise LeftBehindError("asyncio tasks left behind: " + "; ".join(abandoned))

    patch.setattr(asyncio.Runner, "close", close_strictly)
