"""Ports chosen for programs that will listen only later, so that two sites never choose the same.

A claim is a Unix socket in the kernel's abstract names: taken at once or not at all, and gone with
the process that made it. It speaks to other sites of Khaen only; whether anybody else listens is
asked besides.
"""

from __future__ import annotations

import random
import socket

from deploy.machine import is_free
from khaen.errors import NotRunnable

# Below the ports that Linux gives to outgoing connections (32768 and up by default), so that none
# is taken between here and its use.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


class Claims:
    """The ports of one site, until `release`."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def release(self) -> None:
        """Give all of them up."""
        while self._held:
            self._held.pop().close()

    def take(
        self, host: str, port: int, *, what: str, remedy: str, kind: socket.SocketKind = TCP
    ) -> int:
        """The port, where it is free; for 0 any free one. Raises NotRunnable."""
        if port == 0:
            return self.take_any(host, kind)
        if self._claim(host, port, kind):
            return port
        raise NotRunnable(
            f"{what}: {host}:{port} is taken by another program; stop that one, or {remedy}"
        )

    def prefer(self, host: str, port: int) -> int:
        """The port, where it is free, else any free one. Raises NotRunnable."""
        return port if port and self._claim(host, port, TCP) else self.take_any(host, TCP)

    def take_any(self, host: str, kind: socket.SocketKind = TCP) -> int:
        """A port on which nobody listens. Raises NotRunnable."""
        for _ in range(_TRIES):
            port = random.randrange(_FIRST, _LAST)
            if self._claim(host, port, kind):
                return port
        raise NotRunnable(f"{host}: no free port between {_FIRST} and {_LAST}")

    def _claim(self, host: str, port: int, kind: socket.SocketKind) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0khaen/{kind.name}/{port}")
            free = is_free(host, port, kind)
        except OSError:  # another site has it
            free = False
        except NotRunnable:
            claim.close()
            raise
        if free:
            self._held.append(claim)
        else:
            claim.close()
        return free
