"""Where packet forwarders send to: a socket that outlives settings, and even the agent."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from edge import systemd
from edge.settings import UdpSettings
from khaen import log
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui

if TYPE_CHECKING:
    from edge.sources.semtech_udp import Pull

_log = log.logger()
_KEPT_BYTES: Final = 4 * 1024 * 1024
"""What the kernel shall keep while nobody reads; it gives as much as net.core.rmem_max allows."""
_STAMP: Final = 64  # asm-generic/socket.h, SO_TIMESTAMPNS_NEW: since Linux 5.1
_STAMPED: Final = struct.Struct("qq")  # linux/time_types.h, struct __kernel_timespec


class StampedSocket(socket.socket):
    """The same socket again, which tells how long each datagram waited in the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.dup().detach())
        stamp(self)
        self.waited_s = 0.0
        """Of the last one that was read: in seconds, and never more than since the boot."""
        _, self._offset = _read_clocks()
        """By how many seconds the time of day was ahead of those since the boot, when the last one
        was stamped: only setting the clock moves it.
        """

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """As any socket's; it is what asyncio reads by."""
        room = socket.CMSG_SPACE(_STAMPED.size)
        data, ancillary, _, address = self.recvmsg(bufsize, room, flags)
        stamped = next(filter(None, (_parse(*item) for item in ancillary)), None)
        self.waited_s = 0.0 if stamped is None else self._measure(stamped)
        return data, address

    def _measure(self, stamped: float) -> float:
        """Seconds since then. The clock may have been set before the datagram came, or while it
        waited, and the rest of the queue with it: the likelier is what makes the wait shorter.
        """
        up, offset = _read_clocks()
        after, before = up + offset - stamped, up + self._offset - stamped
        if before >= 0.0 and not 0.0 <= after <= before:
            return min(before, up)
        self._offset = offset
        return min(max(0.0, after), up)


def stamp(sock: socket.socket) -> None:
    """Have the kernel note when a datagram came; an old one does not, and none then waited."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _STAMP, 1)


def _read_clocks() -> tuple[float, float]:
    """Seconds since the boot, and by how many the time of day is ahead of them.

    Read in this order, so that a pause in between makes no wait shorter.
    """
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return up, time.time() - up


def _parse(level: int, kind: int, data: bytes) -> float | None:
    """The time of day in a stamp: seconds since 1970."""
    if (level, kind, len(data)) != (socket.SOL_SOCKET, _STAMP, _STAMPED.size):
        return None
    seconds, nanos = _STAMPED.unpack(data)
    return float(seconds + nanos / 1_000_000_000)


class Port:
    """At most one socket, bound as the settings last asked for."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._settings: UdpSettings | None = None
        self.pulls: dict[GatewayEui, Pull] = {}
        """Where each gateway's packet forwarder was last, towards this socket."""

    def take(self, wanted: UdpSettings) -> socket.socket | None:
        """The socket, None where none is wanted; the same while the address is the same.

        Raises NotRunnable when the address cannot be had.
        """
        if self._socket is not None and wanted == self._settings:
            return self._socket
        kept = systemd.take_socket() if self._settings is None else None
        if self._settings is not None and self._settings.port == wanted.port:
            self.close()  # the same port at another address may be held by ourselves
        fresh = (kept or _bind(wanted.host, wanted.port)) if wanted.enabled else None
        self.close()
        if fresh is not None:
            stamp(fresh)
        if kept is not None:
            _log.info("udp_socket_inherited", port=kept.getsockname()[1])
        self.pulls.clear()  # a forwarder hears nobody but whom it sends to
        self._socket, self._settings = fresh, wanted
        return fresh

    def close(self) -> None:
        """Let it go."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _bind(host: str, port: int) -> socket.socket:
    sock: socket.socket | None = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KEPT_BYTES)
        sock.bind(address)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise NotRunnable(
            f"udp {host}:{port}: {error.strerror or error};"
            " another packet bridge may hold it, or set udp.port"
        ) from error
    return sock
