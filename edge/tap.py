"""A tap in front of the agent: forwards datagrams both ways, and records them.

Whatever becomes of the recording, the way between packet forwarder and agent stays open: a full
disk ends the capture, not the carrying.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from edge.status import find_version
from khaen import ready
from khaen.capture import CaptureFull, Header, Limits, PartWriter, Record, Road
from khaen.clock import Clock, SystemClock
from khaen.errors import NotRunnable

Address = tuple[str, int]

FLUSH_S: Final = 1.0
_PEERS: Final = 64
"""Sockets of packet forwarders remembered; each has one for each direction."""
_QUEUED: Final = 1024
"""Datagrams that wait for a socket towards the agent to be open."""


class Tap(asyncio.DatagramProtocol):
    """The side towards packet forwarders. For each of their sockets one goes to the agent."""

    def __init__(self, agent: Address, keep: Callable[[Road, bytes], None]) -> None:
        self._agent, self._keep = agent, keep
        self._transport: asyncio.DatagramTransport | None = None
        self._peers: OrderedDict[Address, asyncio.DatagramTransport] = OrderedDict()
        self._coming: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue(_QUEUED)
        self.lost = 0
        """Datagrams that could not be forwarded."""

    @property
    def address(self) -> Address:
        """Where it listens."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def error_received(self, exc: Exception) -> None:
        """An answer could not be delivered: its forwarder is gone for now."""
        del exc
        self.lost += 1

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """A packet forwarder says something."""
        self._keep(Road.UDP_UP, data)
        address = (addr[0], addr[1])
        peer = self._peers.get(address)
        if peer is not None:
            self._peers.move_to_end(address)
            peer.sendto(data)
            return
        try:
            self._coming.put_nowait((data, address))
        except asyncio.QueueFull:
            self.lost += 1

    def answer(self, data: bytes, address: Address) -> None:
        """The agent says something to the forwarder at `address`."""
        self._keep(Road.UDP_DOWN, data)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    async def carry(self) -> None:
        """Open a socket towards the agent for each new peer, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                data, address = await self._coming.get()
                if address not in self._peers:
                    if len(self._peers) >= _PEERS:
                        self._peers.popitem(last=False)[1].close()
                    try:
                        transport, _ = await loop.create_datagram_endpoint(
                            lambda address=address: _Inner(self, address),  # type: ignore[misc]
                            remote_addr=self._agent,
                        )
                    except OSError:
                        self.lost += 1
                        continue
                    self._peers[address] = transport
                self._peers[address].sendto(data)
        finally:
            for peer in self._peers.values():
                peer.close()
            if self._transport is not None:
                self._transport.close()


class _Inner(asyncio.DatagramProtocol):
    """The side towards the agent, for one socket of a forwarder."""

    def __init__(self, tap: Tap, address: Address) -> None:
        self._tap, self._address = tap, address

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        del addr
        self._tap.answer(data, self._address)

    def error_received(self, exc: Exception) -> None:
        del exc
        self._tap.lost += 1  # nobody listens there: the agent is down


class Keeping:
    """What is carried, into a capture, as long as there is room."""

    def __init__(self, path: Path, about: Header, limits: Limits, clock: Clock) -> None:
        self._writer = PartWriter(path, about, limits, monotonic=clock.monotonic)
        self._clock = clock
        self.error: CaptureFull | None = None

    @property
    def summary(self) -> str:
        """What is on the disk."""
        return f"{self._writer.records} datagrams, {self._writer.size / 1e6:.2f} MB"

    def keep(self, road: Road, payload: bytes) -> None:
        """Write a datagram down."""
        record = Record(at=self._clock.now(), road=road, payload=payload, qos=0)
        self._guard(lambda: self._writer.write(record))

    def flush(self) -> None:
        """Have it on the disk."""
        self._guard(self._writer.flush)

    def close(self) -> None:
        """End the capture."""
        self._guard(self._writer.close)

    def _guard(self, work: Callable[[], None]) -> None:
        if self.error is not None:
            return
        try:
            work()
        except CaptureFull as error:
            self.error = error
            print(f"khaen-edge: {error}; datagrams are still carried", file=sys.stderr, flush=True)


async def run(
    path: Path, listen: Address, agent: Address, *, limits: Limits, seconds: float | None
) -> None:
    """Carry and record until a signal comes or the time is over.

    Raises NotRunnable where it cannot listen, CaptureError where the capture cannot be begun.
    """
    clock = SystemClock()
    recorded = tuple(f"udp {host}:{port}" for host, port in (listen, agent))
    about = Header(tool=f"khaen-edge {find_version()}", began=clock.now(), recorded=recorded)
    keeping = Keeping(path, about, limits, clock)
    tap = Tap(agent, keeping.keep)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    try:
        await loop.create_datagram_endpoint(lambda: tap, local_addr=listen)
    except OSError as error:
        keeping.close()
        raise NotRunnable(
            f"udp {listen[0]}:{listen[1]}: {error.strerror or error}; another program holds it, or "
            "listen elsewhere: --listen"
        ) from error
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    host, port = tap.address
    ready.announce("tap", udp=f"{host}:{port}")
    carrying = asyncio.create_task(tap.carry(), name="tap")
    until = None if seconds is None else clock.monotonic() + seconds
    while not stop.is_set() and (until is None or clock.monotonic() < until):
        rest = FLUSH_S if until is None else max(0.0, min(FLUSH_S, until - clock.monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(rest):
                await stop.wait()
        keeping.flush()
    carrying.cancel()
    await asyncio.wait({carrying})
    keeping.close()
    print(f"{keeping.summary}, in {path}; {tap.lost} could not be forwarded", flush=True)
