"""A gateway's packet forwarder: Semtech's UDP protocol, version 2, towards a real agent.

Source: PROTOCOL.md of Lora-net/packet_forwarder. PUSH_DATA carries what was heard and the
statistics of every 30 s, PULL_DATA keeps the way back open each 10 s; an acknowledgement is an
indicator of quality, nothing is sent twice. PULL_RESP goes into the gateway's queue, and TX_ACK
says whether it will be transmitted. The counts here are the simulator's own: they know nothing of
what Khaen says of itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, cast

from khaen.clock import Clock
from khaen.ids import GatewayEui
from simulators.air.radio import Hearing
from simulators.gateways.gateway import LEAD_S, Gateway, Packet, TxError
from simulators.gateways.semtech import (
    Txpk,
    TxpkError,
    gps_milliseconds,
    parse_txpk,
    render_rxpk,
    render_stat,
)

_VERSION: Final = 2
_PUSH_DATA, _PUSH_ACK, _PULL_DATA, _PULL_RESP, _PULL_ACK, _TX_ACK = range(6)
KEEPALIVE_S: Final = 10.0
STAT_S: Final = 30.0
_REMEMBERED: Final = 4096
"""PUSH_DATA whose acknowledgement may still come; older ones count as never acknowledged."""
_AT_ONCE_S: Final = 2 * LEAD_S
"""What is to go at once goes after so many seconds."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What one forwarder did: frames sent and acknowledged, datagrams besides.

    `acked` is the promise: the agent has these on its disk.
    """

    sent: int = 0
    acked: int = 0
    pushes: int = 0
    push_acks: int = 0
    pulls: int = 0
    pull_acks: int = 0
    downlinks: int = 0
    transmitted: int = 0
    errors: int = 0


class PacketForwarder(asyncio.DatagramProtocol):
    """One simulated gateway's. `now` tells the seconds that the gateway's counter counts."""

    def __init__(
        self,
        gateway: Gateway,
        clock: Clock,
        now: Callable[[], float],
        *,
        acked: Callable[[Hearing, float], None] = lambda _hearing, _sent: None,
    ) -> None:
        self.gateway = gateway
        self.counts = Counts()
        self.road: Callable[[bytes], None] = self.transmit
        """Takes every datagram to the agent; a road with faults may stand before `transmit`."""
        self.rarer = 1.0
        """How many times rarer it speaks without having heard anything, for runs of days."""
        self._head = bytes.fromhex(gateway.eui)
        self._clock, self._now, self._told = clock, now, acked
        self._token = 0
        self._waiting: dict[int, tuple[float, tuple[Hearing, ...]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._since_stat = Counts()

    @property
    def eui(self) -> GatewayEui:
        """Whose it is."""
        return self.gateway.eui

    async def run(self, host: str, port: int) -> None:
        """Speak to the agent at `host`:`port` until cancelled."""
        loop = asyncio.get_running_loop()
        self._closed.clear()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        try:
            next_stat = self._clock.monotonic() + STAT_S * self.rarer
            while True:
                self._pull()
                await asyncio.sleep(KEEPALIVE_S * self.rarer)
                if self._clock.monotonic() >= next_stat:
                    next_stat += STAT_S * self.rarer
                    self._send_stat()
        finally:
            transport.close()
            await self._closed.wait()

    @property
    def connected(self) -> bool:
        """Whether there is a socket to send by."""
        return self._transport is not None

    @property
    def unanswered(self) -> int:
        """Frames sent whose acknowledgement has not come."""
        return self.counts.sent - self.counts.acked

    def push(self, hearings: Iterable[Hearing], ended: float | None = None) -> float:
        """Send what was heard in one datagram; the monotonic time of it. Raises OSError unless
        the forwarder runs.

        The frames ended at `ended` seconds of the gateway's counter, or now.
        """
        heard = tuple(hearings)
        at, now = self._clock.monotonic(), self._now()
        ended = now if ended is None else ended
        time = self._clock.now() - timedelta(seconds=max(0.0, now - ended))
        counter = self.gateway.counter(ended)
        rxpk = [render_rxpk(hearing, counter=counter, at=time) for hearing in heard]
        self._push({"rxpk": rxpk}, heard, at)
        self.counts.sent += len(heard)
        return at

    # -- datagrams ----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        del exc
        self._transport = None
        self._closed.set()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: the datagram is lost, as it is with a real forwarder."""
        del exc
        self.counts.errors += 1

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take an answer of the agent; what is none is ignored."""
        del addr
        if len(data) < 4 or data[0] != _VERSION:
            return
        token = int.from_bytes(data[1:3], "little")
        if data[3] == _PUSH_ACK:
            self._acknowledged(token)
        elif data[3] == _PULL_ACK:
            self.counts.pull_acks += 1
        elif data[3] == _PULL_RESP:
            self.counts.downlinks += 1
            self._schedule(token, data[4:])

    def _schedule(self, token: int, body: bytes) -> None:
        """Take a PULL_RESP into the queue and say so; what is no packet gets no answer."""
        try:
            txpk = parse_txpk(json.loads(body))
        except (TxpkError, ValueError, RecursionError):
            self.counts.errors += 1
            return
        error = self._enqueue(txpk)
        if error is None:
            self.counts.transmitted += 1
        if self._transport is not None:
            answer = {"txpk_ack": {"error": error or "NONE"}}
            self._send(_TX_ACK, token, json.dumps(answer, separators=(",", ":")).encode())

    def _enqueue(self, txpk: Txpk) -> TxError | None:
        now = self._now()
        if txpk.tmst is not None:
            at = self.gateway.time_of(txpk.tmst, now)
        elif txpk.tmms is None:
            at = now + _AT_ONCE_S
        elif self.gateway.satellites:
            at = now + (txpk.tmms - gps_milliseconds(self._clock.now())) / 1000
        else:
            return TxError.GPS_UNLOCKED
        packet = Packet(
            phy=txpk.phy,
            frequency=txpk.frequency,
            data_rate=txpk.data_rate,
            power=txpk.power,
            at=at,
        )
        return self.gateway.schedule(packet, now)

    def _acknowledged(self, token: int) -> None:
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            return
        sent_at, hearings = waiting
        self.counts.push_acks += 1
        self.counts.acked += len(hearings)
        for hearing in hearings:
            self._told(hearing, sent_at)

    def _push(self, document: dict[str, Any], heard: tuple[Hearing, ...], at: float) -> None:
        token = self._next_token()
        if len(self._waiting) >= _REMEMBERED:
            self._waiting.pop(next(iter(self._waiting)))
        self._waiting[token] = (at, heard)
        body = json.dumps(document, separators=(",", ":")).encode()
        self._send(_PUSH_DATA, token, body)
        self.counts.pushes += 1

    def _pull(self) -> None:
        self._send(_PULL_DATA, self._next_token(), b"")
        self.counts.pulls += 1

    def _send(self, kind: int, token: int, body: bytes) -> None:
        if self._transport is None:
            raise OSError("the packet forwarder is not running")
        head = bytes((_VERSION, *token.to_bytes(2, "little"), kind))
        self.road(head + self._head + body)

    def transmit(self, datagram: bytes) -> None:
        """Send a datagram as it is; nothing where the forwarder does not run."""
        if self._transport is not None:
            self._transport.sendto(datagram)

    def _next_token(self) -> int:
        self._token = (self._token + 1) & 0xFFFF
        return self._token

    def _send_stat(self) -> None:
        then, now = self._since_stat, replace(self.counts)
        pushes = now.pushes - then.pushes
        stat = render_stat(
            self._clock.now(),
            self.gateway.position,
            received=now.sent - then.sent,
            acknowledged=(now.push_acks - then.push_acks) / pushes if pushes else 1.0,
            asked=now.downlinks - then.downlinks,
            transmitted=now.transmitted - then.transmitted,
        )
        self._since_stat = now
        self._push({"stat": stat}, (), self._clock.monotonic())
