"""What systemd and the agent tell each other, over real sockets."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import systemd


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


def test_it_is_told_in_its_words(listener: socket.socket) -> None:
    systemd.notify(ready=1, status="two\nlines")
    assert listener.recv(999) == b"READY=1\nSTATUS=two lines"


def test_the_abstract_name_space(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0khaen-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@khaen-test-{os.getpid()}")
        systemd.notify(stopping=1)
        assert end.recv(99) == b"STOPPING=1"


@pytest.mark.parametrize("address", [None, "", "notify", "/nowhere/at/all"])
def test_without_systemd_nothing_is_said(
    address: str | None,
    tmp_path: Path,
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A relative path is no address of systemd's, even where something listens there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFY_SOCKET")
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify(ready=1)
    listener.setblocking(False)
    assert _take(listener) == b""


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
        ("60000000", None, 60.0),
        ("60000000", "1", None),
        ("500000", "own", 0.5),
    ],
)
def test_how_often_it_wants_a_sign_of_life(
    usec: str | None, pid: str | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)
    assert systemd.watchdog_s() == expected


async def test_signs_of_life_end_while_there_is_no_answer(listener: socket.socket) -> None:
    listener.setblocking(False)
    loop, answering = asyncio.get_running_loop(), asyncio.Event()
    answering.set()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(systemd.stay_alive(answering.wait, 0.2))
        assert await loop.sock_recv(listener, 99) == b"WATCHDOG=1"
        answering.clear()
        await asyncio.sleep(0.3)  # one may have been on its way
        while _take(listener):
            pass
        await asyncio.sleep(0.4)
        assert not _take(listener)
        answering.set()
        assert await loop.sock_recv(listener, 99) == b"WATCHDOG=1"
        task.cancel()


def _take(listener: socket.socket) -> bytes:
    try:
        return listener.recv(99)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    ("count", "pid"), [(None, "own"), ("1", None), ("1", "1"), ("many", "own")]
)
def test_sockets_that_are_not_for_us_are_left_alone(
    count: str | None, pid: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LISTEN_FDS", count), ("LISTEN_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)
    assert systemd.take_socket() is None
