"""A backhaul that can be cut: a TCP proxy between an agent and its broker.

A cut is a real fault of real sockets. `refuse` resets what is connected and refuses what comes, as
a dead link to a living router; `black_hole` leaves every connection open and lets nothing through,
as a radio hole.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time: closing sends RST."""
_CONNECT_S: Final = 5.0
_BACKLOG: Final = 64


class Fault(enum.StrEnum):
    """How a link is cut."""

    REFUSE = "refuse"
    BLACK_HOLE = "black_hole"


class Link:
    """A proxy on a free port of loopback to `target`; an asynchronous context manager."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = _bind(0)
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.host, self.port = "127.0.0.1", int(self._listener.getsockname()[1])
        self.fault: Fault | None = None
        self.accepted = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin to carry; `close` in the end, always."""
        self._listen()

    async def close(self) -> None:
        """End every connection and give the port free."""
        await self._stop_accepting()
        self._listener.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def cut(self, fault: Fault = Fault.REFUSE) -> None:
        """Break the link until `restore`; breaking a broken one changes only how."""
        await self.restore()
        self.fault = fault
        if fault is Fault.BLACK_HOLE:
            self._open.clear()
            return
        await self._stop_accepting()
        self._listener.close()
        # Bound and not listening: the port stays ours, and the kernel refuses who comes.
        self._listener = _bind(self.port)
        for writer in self._writers:
            _reset(writer)

    async def restore(self) -> None:
        """Let everything through again; what a black hole swallowed comes late, as TCP would."""
        if self.fault is Fault.REFUSE:
            self._listen()
        self.fault = None
        self._open.set()

    def _listen(self) -> None:
        self._listener.listen(_BACKLOG)
        self._accepting = asyncio.create_task(self._accept(), name=f"link {self.port}")

    async def _stop_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            peer, _address = await loop.sock_accept(self._listener)
            self.accepted += 1
            task = asyncio.create_task(self._carry(peer), name=f"link {self.port} connection")
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _carry(self, peer: socket.socket) -> None:
        inner = await asyncio.open_connection(sock=peer)
        self._writers.add(inner[1])
        outer: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            await self._open.wait()
            async with asyncio.timeout(_CONNECT_S):
                outer = await asyncio.open_connection(*self._target)
            self._writers.add(outer[1])
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(inner[0], outer[1]))
                both.create_task(self._pump(outer[0], inner[1]))
        except* OSError:
            # One side is gone: the other is told the same way, below.
            _reset(inner[1])
        finally:
            for writer in (inner[1], outer[1] if outer else None):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
