"""A small agent that speaks Semtech's published protocol, byte by byte, or keeps silent."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

WAIT_S = 5.0
PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)


class Agent(asyncio.DatagramProtocol):
    """Keeps every datagram; answers as PROTOCOL.md says unless `silent`."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.silent = self.closed = False
        self.peer: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.address: tuple[str, int] = transport.get_extra_info("sockname")

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams.append(data)
        if data[3] == PULL_DATA:
            self.peer = addr
        answers = {PUSH_DATA: PUSH_ACK, PULL_DATA: PULL_ACK}
        if not self.silent and data[3] in answers:
            self.transport.sendto(data[:3] + bytes((answers[data[3]],)), addr)

    def send(self, datagram: bytes) -> None:
        """Send to where the last PULL_DATA came from."""
        self.transport.sendto(datagram, self.peer)

    def of(self, kind: int) -> list[bytes]:
        """The datagrams of one kind."""
        return [datagram for datagram in self.datagrams if datagram[3] == kind]

    def frames(self) -> list[bytes]:
        """The PHYPayloads of all that was pushed."""
        return [base64.b64decode(rxpk["data"]) for rxpk in self._rxpks()]

    def rxpk(self, phy: bytes) -> dict[str, Any]:
        """How a frame was pushed."""
        return next(rxpk for rxpk in self._rxpks() if base64.b64decode(rxpk["data"]) == phy)

    def _rxpks(self) -> list[dict[str, Any]]:
        documents = [json.loads(datagram[12:]) for datagram in self.of(PUSH_DATA)]
        return [rxpk for document in documents for rxpk in document.get("rxpk", ())]


@contextlib.asynccontextmanager
async def running_agent() -> AsyncIterator[Agent]:
    """An agent on a free port of loopback."""
    agent = Agent()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: agent, local_addr=("127.0.0.1", 0)
    )
    try:
        yield agent
    finally:
        transport.close()
        await until(lambda: agent.closed)


async def until(condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Wait for a condition, for a few seconds at most."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (nobody sets an event inside what is watched)
            await asyncio.sleep(0.001)
