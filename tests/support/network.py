"""Keeps tests on this machine: an attempt to reach anything but loopback fails the test."""

import ipaddress
import sys
from collections.abc import Iterator

import pytest

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
_strays: list[str] = []


class StrayConnectionError(AssertionError):
    """A test tried to leave the machine, or to be reached from outside it."""


def is_loopback(host: object) -> bool:
    """Whether a host stays on this machine; names other than localhost do not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        address = arguments[1] if len(arguments) > 1 else None
        # Only internet addresses are pairs with a host before a port; Unix sockets are paths.
        if not isinstance(address, tuple) or len(address) not in (2, 4) or is_loopback(address[0]):
            return
        if not isinstance(address[0], str):
            return  # netlink, packet, ...: numbers
        if event == "socket.bind" and address[:2] == ("", 0):
            return  # what a client binds to before it connects; where it connects to is watched
        stray = f"{event.removeprefix('socket.')} {address[0]}:{address[1]}"
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        if host is None or is_loopback(host.decode() if isinstance(host, bytes) else host):
            return
        stray = f"look-up of {host!r}"
    else:
        return
    _strays.append(stray)
    raise StrayConnectionError(stray)


def watch_network() -> None:
    """Install the watch, once for the life of the process (audit hooks cannot be taken out)."""
    sys.addaudithook(_watch)


def take_strays() -> list[str]:
    """What was tried since the last call. For tests that try it on purpose."""
    taken = _strays.copy()
    _strays.clear()
    return taken


@pytest.fixture(autouse=True)
def only_loopback() -> Iterator[None]:
    """Fail a test that tried to leave the machine, even where the error was swallowed."""
    take_strays()
    yield
    if strays := take_strays():
        raise StrayConnectionError("; ".join(strays))
