"""A tap in front of the agent: forwards datagrams both ways, and records them.

Whatever becomes of the recording, the way between packet forwarder and agent stays open: each
datagram is forwarded first, and kept afterwards.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from edge.sources.semtech_udp import PULL_DATA
from edge.tap.keeping import Keeping
from edge.version import find_version
from khaen import ready
from khaen.capture import Header, Limits, Road
from khaen.clock import SystemClock
from khaen.errors import NotRunnable

Address = tuple[str, int]

_RESOLVE_S: Final = 10.0
_PULL_HEAD: Final = 12
_PULL_S: Final = 30.0
"""A socket that asked for downlinks so lately is kept; forwarders ask each 5 or 10 s."""
_PEERS: Final = 64
"""Sockets of packet forwarders remembered; each has one for each direction."""
_QUEUED: Final = 1024
"""Datagrams that wait for a socket towards the agent to be open."""


@dataclass(slots=True)
class _Peer:
    """A forwarder's socket: what it says goes to the agent by `transport`."""

    transport: asyncio.DatagramTransport
    pulled: float
    """When it last asked for downlinks, by the monotonic clock."""


class Tap(asyncio.DatagramProtocol):
    """The side towards packet forwarders. For each of their sockets one goes to the agent."""

    def __init__(
        self,
        agent: Address,
        keep: Callable[[Road, bytes], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._agent, self._keep, self._monotonic = agent, keep, monotonic
        self._transport: asyncio.DatagramTransport | None = None
        self._peers: OrderedDict[Address, _Peer] = OrderedDict()
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
        address = (addr[0], addr[1])
        if address in self._peers:
            self._pass(address, data)
        else:
            try:
                self._coming.put_nowait((data, address))
            except asyncio.QueueFull:
                self.lost += 1
        self._keep(Road.UDP_UP, data)

    def answer(self, data: bytes, address: Address) -> None:
        """The agent says something to the forwarder at `address`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)
        self._keep(Road.UDP_DOWN, data)

    async def carry(self) -> None:
        """Open a socket towards the agent for each new peer, until cancelled."""
        try:
            while True:
                data, address = await self._coming.get()
                if address in self._peers or await self._open(address):
                    self._pass(address, data)
                else:
                    self.lost += 1
        finally:
            for peer in self._peers.values():
                peer.transport.close()
            if self._transport is not None:
                self._transport.close()

    def _pass(self, address: Address, data: bytes) -> None:
        peer = self._peers[address]
        self._peers.move_to_end(address)
        peer.transport.sendto(data)
        if len(data) >= _PULL_HEAD and data[3] == PULL_DATA:
            peer.pulled = self._monotonic()

    async def _open(self, address: Address) -> bool:
        """Have a socket for a new peer, instead of the one longest silent where they are many."""
        if len(self._peers) >= _PEERS and not self._forget_one():
            return False
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Inner(self, address), remote_addr=self._agent
            )
        except OSError:
            return False
        self._peers[address] = _Peer(transport, -_PULL_S)
        return True

    def _forget_one(self) -> bool:
        """False where a downlink may come for each of them."""
        asked = self._monotonic() - _PULL_S
        for address, peer in self._peers.items():
            if peer.pulled <= asked:
                peer.transport.close()
                del self._peers[address]
                return True
        return False


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


async def run(
    path: Path, listen: Address, agent: Address, *, limits: Limits, seconds: float | None
) -> None:
    """Carry and record until a signal comes or the time is over.

    Raises NotRunnable where it cannot listen or the agent's host has no address, CaptureError
    where the capture cannot be begun.
    """
    clock = SystemClock()
    recorded = tuple(f"udp {host}:{port}" for host, port in (listen, agent))
    about = Header(tool=f"khaen-edge {find_version()}", began=clock.now(), recorded=recorded)
    agent, stop = await _resolve(agent), _catch_signals()
    keeping = Keeping(path, about, limits, clock)
    try:
        tap = Tap(agent, keeping.keep, clock.monotonic)
        await _listen(tap, listen)
        async with asyncio.TaskGroup() as group:
            carrying = group.create_task(tap.carry(), name="tap")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
            carrying.cancel()
    finally:
        keeping.close()
    print(f"{keeping.summary}, in {path}; {tap.lost} could not be forwarded", flush=True)


async def _resolve(agent: Address) -> Address:
    """The agent's address in numbers. Raises NotRunnable."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await loop.getaddrinfo(*agent, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise NotRunnable(
            f"{agent[0]!r}: {_reason(error)}; name the host where the agent listens: --to"
        ) from error
    host, port = found[0][4][:2]
    return str(host), int(port)


async def _listen(tap: Tap, address: Address) -> None:
    """Open the tap's socket and say where. Raises NotRunnable."""
    try:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: tap, local_addr=address)
    except (OSError, UnicodeError) as error:
        raise NotRunnable(
            f"udp {address[0]}:{address[1]}: {_reason(error)}; another program holds it, or "
            "listen elsewhere: --listen"
        ) from error
    host, port = tap.address
    ready.announce("tap", udp=f"{host}:{port}")


def _reason(error: OSError | UnicodeError) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error) or "it does not answer"


def _catch_signals() -> asyncio.Event:
    """Set by Ctrl-C and its like."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
