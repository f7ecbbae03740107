"""A TCP proxy that stops reading, or reads slowly: a mobile link on a bad day."""

import contextlib
import socket
import threading
from collections.abc import Iterator

_BUFFER = 4096
"""Bytes the kernel may keep for us, so that a stop is soon felt at the other end."""
_CHUNK = 512


class SlowLink:
    """Carries connections to `target`. What goes up passes while `going` is set, at `rate` bytes a
    second where there is one; what comes down passes freely.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(8)
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self.going = threading.Event()
        self.going.set()
        self.rate: float | None = None
        self.accepted = 0
        self._begin(self._accept)

    def close(self) -> None:
        """End every connection."""
        self._over.set()
        self.going.set()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="slow link")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                inner, _ = self._listener.accept()
                self.accepted += 1
                try:
                    outer = socket.create_connection(self._target)
                except OSError:  # nobody is there
                    inner.close()
                    continue
                self._sockets += (inner, outer)
                self._begin(self._carry_up, inner, outer)
                self._begin(self._carry, outer, inner)

    def _carry_up(self, inner: socket.socket, outer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := inner.recv(_CHUNK):
                if self.rate is not None:
                    self._over.wait(len(data) / self.rate)
                self.going.wait()
                outer.sendall(data)
        _end(inner, outer)

    def _carry(self, outer: socket.socket, inner: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := outer.recv(65_536):
                inner.sendall(data)
        _end(inner, outer)


def _end(*sockets: socket.socket) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def slow_link(port: int) -> Iterator[SlowLink]:
    """A link to a broker on loopback."""
    link = SlowLink(("127.0.0.1", port))
    try:
        yield link
    finally:
        link.close()
