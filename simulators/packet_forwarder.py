"""A gateway's packet forwarder: Semtech's UDP protocol, version 2, towards a real agent.

Source: PROTOCOL.md of Lora-net/packet_forwarder. PUSH_DATA carries what was heard and the
statistics of every 30 s, PULL_DATA keeps the way back open each 10 s; an acknowledgement is an
indicator of quality, nothing is sent twice. The counts here are the simulator's own: they know
nothing of what Khaen says of itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from khaen.clock import Clock
from khaen.ids import GatewayEui
from khaen.lorawan.region import CODING_RATE
from khaen.site.model import Position
from simulators.radio import Hearing

_VERSION: Final = 2
_PUSH_DATA, _PUSH_ACK, _PULL_DATA, _PULL_RESP, _PULL_ACK = range(5)
KEEPALIVE_S: Final = 10.0
STAT_S: Final = 30.0
_REMEMBERED: Final = 4096
"""PUSH_DATA whose acknowledgement may still come; older ones count as never acknowledged."""
_GPS_EPOCH_MS: Final = 315_964_800_000
_LEAP_MS: Final = 18_000
"""GPS time is ahead of UTC by so many milliseconds since 2017."""


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
    errors: int = 0


class PacketForwarder(asyncio.DatagramProtocol):
    """One simulated gateway. `start` is the moment when its 32-bit microsecond counter was 0."""

    def __init__(
        self,
        *,
        eui: GatewayEui,
        position: Position,
        clock: Clock,
        acked: Callable[[Hearing, float], None] = lambda _hearing, _sent: None,
    ) -> None:
        self.eui = eui
        self.counts = Counts()
        self.road: Callable[[bytes], None] = self.transmit
        """Takes every datagram to the agent; a road with faults may stand before `transmit`."""
        self._head = bytes.fromhex(eui)
        self._position, self._clock, self._told = position, clock, acked
        self._start = clock.monotonic()
        self._token = 0
        self._waiting: dict[int, tuple[float, tuple[Hearing, ...]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._since_stat = Counts()

    async def run(self, host: str, port: int) -> None:
        """Speak to the agent at `host`:`port` until cancelled."""
        loop = asyncio.get_running_loop()
        self._closed.clear()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        try:
            next_stat = self._clock.monotonic() + STAT_S
            while True:
                self._pull()
                await asyncio.sleep(KEEPALIVE_S)
                if self._clock.monotonic() >= next_stat:
                    next_stat += STAT_S
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

    def push(self, hearings: Iterable[Hearing]) -> float:
        """Send what was heard in one datagram; the monotonic time of it. Raises OSError unless
        the forwarder runs.
        """
        heard = tuple(hearings)
        at = self._clock.monotonic()
        now = self._clock.now()
        self._push({"rxpk": [self._rxpk(hearing, now, at) for hearing in heard]}, heard, at)
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
            # Nobody listens in a simulated window: counted, and silently not transmitted.
            self.counts.downlinks += 1

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

    # -- documents ----------------------------------------------------------

    def _rxpk(self, hearing: Hearing, now: datetime, at: float) -> dict[str, Any]:
        sent = hearing.transmission
        return {
            "tmst": round((at - self._start) * 1e6) & 0xFFFF_FFFF,
            "time": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "tmms": gps_milliseconds(now),
            "chan": (sent.frequency - 923_200_000) // 200_000,
            "rfch": 0,
            "freq": sent.frequency / 1e6,
            "stat": 1,
            "modu": "LORA",
            "datr": sent.data_rate.name,
            "codr": CODING_RATE,
            "rssi": hearing.rssi,
            "lsnr": hearing.snr,
            "size": len(sent.phy),
            "data": base64.b64encode(sent.phy).decode("ascii"),
        }

    def _send_stat(self) -> None:
        then, now = self._since_stat, self.counts
        frames, pushes = now.sent - then.sent, now.pushes - then.pushes
        answered = now.push_acks - then.push_acks
        stat = {
            "time": self._clock.now().strftime("%Y-%m-%d %H:%M:%S GMT"),
            "lati": self._position.latitude,
            "long": self._position.longitude,
            "alti": 0,
            "rxnb": frames,
            "rxok": frames,
            "rxfw": frames,
            "ackr": round(100.0 * answered / pushes, 1) if pushes else 100.0,
            "dwnb": 0,
            "txnb": 0,
        }
        self._since_stat = Counts(sent=now.sent, pushes=now.pushes, push_acks=now.push_acks)
        self._push({"stat": stat}, (), self._clock.monotonic())


def gps_milliseconds(at: datetime) -> int:
    """GPS time of a moment, in milliseconds since 1980-01-06."""
    return int(at.timestamp() * 1000) - _GPS_EPOCH_MS + _LEAP_MS
