"""An event loop whose time is virtual: where nothing is left to do, it is the next time at once.

Whatever is asynchronous runs in it unmodified. What would be done in a thread is done on the spot,
and datagrams stay within the loop, so that a run is the same each time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Address = tuple[str, int]
Wire = Callable[[Address, Address, bytes], Iterable[bytes]]
"""Told whence and whither a datagram goes; what it gives arrives instead."""


class Stalled(RuntimeError):
    """Nothing will ever happen, and something is still waited for: a bug of the simulation."""


class _Jump(selectors.DefaultSelector):
    """Does not wait: it says how long it would have."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Stalled("nothing is planned, and the run is not over")
        self._passed(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s. `wire` looks at each datagram on its way."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self._pass))
        self.wire: Wire = lambda _source, _to, data: (data,)
        self._ends: dict[Address, _End] = {}
        self._next_port = 1

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call it now; nothing else happens meanwhile."""
        del executor
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it, as a thread's is
            done.set_exception(error)
        return done

    # -- datagrams ----------------------------------------------------------

    async def create_datagram_endpoint(  # type: ignore[override]  # of its options only these two
        self,
        protocol_factory: Callable[[], Any],
        local_addr: Address | None = None,
        remote_addr: Address | None = None,
    ) -> tuple[_End, Any]:
        """An end of a wire within this loop; port 0 is any free one."""
        host, port = local_addr or ("127.0.0.1", 0)
        if port == 0:
            port, self._next_port = self._next_port, self._next_port + 1
        if (host, port) in self._ends:
            raise OSError(98, "Address already in use")
        protocol = protocol_factory()
        end = self._ends[host, port] = _End(self, (host, port), remote_addr, protocol)
        protocol.connection_made(end)
        return end, protocol

    def deliver(self, source: Address, to: Address, data: bytes) -> None:
        """Hand a datagram to whoever listens there; it is lost where nobody does."""
        for each in self.wire(source, to, data):
            end = self._ends.get(to)
            if end is not None:
                end.protocol.datagram_received(each, source)

    def close_end(self, address: Address) -> None:
        """Nobody listens there any more."""
        end = self._ends.pop(address, None)
        if end is not None:
            self.call_soon(end.protocol.connection_lost, None)


class _End(asyncio.DatagramTransport):
    """One end; what is sent arrives in the next turn of the loop."""

    def __init__(
        self, loop: VirtualLoop, address: Address, peer: Address | None, protocol: Any
    ) -> None:
        super().__init__({"sockname": address, "peername": peer})
        self._loop, self._address, self._peer = loop, address, peer
        self.protocol = protocol
        self._closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        to = addr or self._peer
        if to is not None and not self._closing:
            self._loop.call_soon(self._loop.deliver, self._address, to, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.close_end(self._address)

    def abort(self) -> None:
        self.close()
