"""The socket that outlives settings."""

import socket
import time
from collections.abc import Iterator

import pytest

from edge.semtech.port import Port, StampedSocket
from edge.settings import UdpSettings
from khaen.errors import NotRunnable


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    made.close()


OTHER = "127.0.0.2"


def address(sock: socket.socket | None) -> tuple[str, int]:
    assert sock is not None
    host, number = sock.getsockname()[:2]
    return host, number


def test_the_same_address_is_the_same_socket_with_all_that_waits_in_it(port: Port) -> None:
    first = port.take(UdpSettings(port=0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
        forwarder.sendto(b"heard", address(first))
    second = port.take(UdpSettings(port=0))
    assert second is first
    assert second is not None
    second.setblocking(True)
    second.settimeout(5)
    assert second.recv(16) == b"heard"


def test_it_says_how_long_a_datagram_waited(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = port.take(UdpSettings(port=0))
    assert kept is not None
    now = time.time
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder,
        StampedSocket(kept) as stamped,
    ):
        for _ in range(100):  # the kernel begins with stamps a moment after it was told to
            for _ in range(3):
                forwarder.sendto(b"heard", address(kept))
            time.sleep(0.02)
            assert stamped.recvfrom(16)[0] == b"heard"
            if stamped.waited_s >= 0.02:
                break
        assert stamped.waited_s >= 0.02
        monkeypatch.setattr(time, "time", lambda: now() - 1e9)
        stamped.recvfrom(16)
        assert stamped.waited_s == 0.0, "the clock was put back"
        monkeypatch.setattr(time, "time", lambda: now() + 1e12)
        stamped.recvfrom(16)
        assert stamped.waited_s <= time.clock_gettime(time.CLOCK_BOOTTIME), "it was put on"


def test_another_address_is_another_socket_and_the_former_is_free(port: Port) -> None:
    former = address(port.take(UdpSettings(port=0)))
    assert address(port.take(UdpSettings(host=OTHER, port=0))) != former
    assert address(port.take(UdpSettings(port=former[1]))) == former


def test_the_same_port_at_another_address_of_this_machine(port: Port) -> None:
    number = address(port.take(UdpSettings(port=0)))[1]
    fixed = UdpSettings(port=number)
    port.close()
    assert address(port.take(fixed)) == ("127.0.0.1", number)
    assert address(port.take(UdpSettings(host=OTHER, port=number))) == (OTHER, number)


def test_none_is_wanted(port: Port) -> None:
    assert port.take(UdpSettings(enabled=False)) is None


def test_a_taken_port_is_said_plainly_and_the_former_stays(port: Port) -> None:
    first = port.take(UdpSettings(port=0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        number = other.getsockname()[1]
        with pytest.raises(NotRunnable, match=f"udp 127.0.0.1:{number}.*set udp.port"):
            port.take(UdpSettings(port=number))
    assert port.take(UdpSettings(port=0)) is first
