"""Ports that nobody listens on."""

import random
import socket

import pytest

# Below the range from which Linux takes ports for outgoing connections (32768 and up by default),
# so that none is taken between here and its use; above the well-known ones.
_FIRST, _LAST = 20_000, 32_000


def find_free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    return _find(socket.SOCK_STREAM)


def find_free_udp_port() -> int:
    """A UDP port on loopback that was free a moment ago."""
    return _find(socket.SOCK_DGRAM)


def _find(kind: socket.SocketKind) -> int:
    while True:
        port = random.randrange(_FIRST, _LAST)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture
def free_port() -> int:
    """A free TCP port. For several, call find_free_port."""
    return find_free_port()


@pytest.fixture
def free_udp_port() -> int:
    """A free UDP port. For several, call find_free_udp_port."""
    return find_free_udp_port()
