"""Who asks for nothing, or too often, takes no place of those who have an alarm to take."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from console import connections, events
from console.house import House
from khaen.clock import SystemClock
from tests.support.console import World, serve, sign_in

Address = tuple[str, int]


@pytest.fixture
def address(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A console that has little patience."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.5)
    monkeypatch.setattr(connections, "PER_NETWORK", 8)
    monkeypatch.setattr(events, "PER_SESSION", 3)
    with serve(House(world.database, SystemClock())) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


def _ends(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


def _trickle(connection: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection.sendall(b"G")
            threading.Event().wait(0.1)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\ntoken",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a second request"],
)
def test_a_request_that_does_not_come_whole_is_not_waited_for(
    address: Address, said: bytes
) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(said)
        assert _ends(connection, within=5)


def test_a_byte_now_and_then_does_not_help(address: Address) -> None:
    with socket.create_connection(address) as connection:
        sender = threading.Thread(target=_trickle, args=(connection,))
        sender.start()
        assert _ends(connection, within=5)
        sender.join()


def test_one_address_does_not_take_all_places(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 3600.0)  # nobody is refused for being silent
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address)) for _ in range(12)]
        assert all(_ends(connection, within=5) for connection in held[8:])
        assert not any(_ends(connection, within=0.05) for connection in held[:8])


def test_a_screen_stays_and_a_session_has_so_many(world: World, address: Address) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=20) as client:
        sign_in(client, world.link(world.user()))
        with ExitStack() as stack:
            opened = [stack.enter_context(client.stream("GET", "/api/v1/events")) for _ in range(4)]
            lines = [stream.iter_lines() for stream in opened]
            assert all(next(each).startswith("retry") for each in lines)
            assert not [line for line in lines[0] if line.startswith("event: alarm")]  # it ends
            began = time.monotonic()
            beats = (line for line in lines[3] if line == "event: beat")
            next(beats), next(beats)
            assert time.monotonic() - began > connections.REQUEST_S
