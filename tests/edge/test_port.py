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


SLEPT_S = 0.02
STEPS = pytest.mark.parametrize("step", [3600.0, -3600.0, -1e9])


def set_clock(patch: pytest.MonkeyPatch, step: float) -> None:
    now = time.time
    patch.setattr(time, "time", lambda: now() + step)


def read_stamped(stamped: StampedSocket, count: int = 1) -> None:
    """Send so many, and read the first after a while; the kernel begins to stamp a moment after it
    was told to.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
        for _ in range(100):
            for _ in range(count):
                forwarder.sendto(b"heard", address(stamped))
            time.sleep(SLEPT_S)
            assert stamped.recvfrom(16)[0] == b"heard"
            if stamped.waited_s:
                return


@STEPS
def test_it_says_how_long_a_datagram_waited_though_the_clock_is_set_meanwhile(
    port: Port, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    kept = port.take(UdpSettings(port=0))
    assert kept is not None
    with StampedSocket(kept) as stamped:
        read_stamped(stamped, 3)
        assert SLEPT_S <= stamped.waited_s < 1000
        set_clock(monkeypatch, step)
        for _ in range(2):
            stamped.recvfrom(16)
            assert SLEPT_S <= stamped.waited_s < 1000


@STEPS
def test_a_clock_that_was_set_before_the_datagram_came_says_nothing(
    port: Port, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    kept = port.take(UdpSettings(port=0))
    assert kept is not None
    with monkeypatch.context() as earlier:
        set_clock(earlier, -step)
        stamped = StampedSocket(kept)
    with stamped:
        read_stamped(stamped)
        assert SLEPT_S <= stamped.waited_s < 1000


def test_nothing_waited_for_longer_than_since_the_boot(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was set while nobody held the socket but systemd."""
    kept = port.take(UdpSettings(port=0))
    assert kept is not None
    set_clock(monkeypatch, 1e12)
    with StampedSocket(kept) as stamped:
        read_stamped(stamped)
        assert SLEPT_S <= stamped.waited_s <= time.clock_gettime(time.CLOCK_BOOTTIME)


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
