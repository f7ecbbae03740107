"""Semtech's UDP protocol, version 2 (and 1, which differs in its number, and has no TX_ACK).

Semtech packet_forwarder, PROTOCOL.TXT. A PUSH_DATA is acknowledged once every frame in it that was
heard with a good CRC is on disk; a datagram that cannot be taken costs itself only, a `rxpk` that
cannot be taken costs itself only. The way down is where PULL_DATA came from last, and only from
there a TX_ACK is believed.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, cast

from chirpstack_api import gw

from edge.counts import Counts
from edge.downlinks import Downlinks, Transmit
from edge.intake import Intake
from edge.outbox.outbox import Stored
from edge.record import Arrival
from edge.semtech import rxpk, txpk
from edge.semtech.port import StampedSocket
from edge.semtech.rxpk import RxpkError
from edge.warnings import Warnings
from khaen import log
from khaen.clock import Clock
from khaen.errors import StoreUnavailable
from khaen.ids import GatewayEui

_log = log.logger()
PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
_TYPES = {PUSH_DATA: "push_data", PULL_DATA: "pull_data", TX_ACK: "tx_ack"}
_VERSIONS = frozenset({1, 2})
_HEADER, _WITH_EUI = 4, 12
_LOG_EVERY_S = 10.0
_TWO_S = 600.0
"""Two forwarders are spoken of for so long after the last sign of them."""
FORGET_S: Final = 60.0
"""A forwarder that has not pulled for so long is not reached: as chirpstack-gateway-bridge has it.
They pull each 5 to 10 s."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Where a PULL_DATA came from, of which version, and when by the monotonic clock.

    `former` is the address before this one; `returned` when one last came back to a former one.
    """

    address: Address
    version: int
    at: float
    former: Address | None = None
    returned: float | None = None


class Gateway(Protocol):
    """What this source needs of an `edge.station.Station`."""

    way_down: Transmit
    warnings: Warnings

    @property
    def intake(self) -> Intake:
        """Where it hears."""

    @property
    def downlinks(self) -> Downlinks:
        """What it is to transmit."""

    def publish_stats(self, stats: gw.GatewayStats) -> None:
        """Say what the packet forwarder counted."""


class SemtechUdp(asyncio.DatagramProtocol):
    """The packet forwarders of all `gateways`, on one socket."""

    def __init__(
        self,
        gateways: Mapping[GatewayEui, Gateway],
        clock: Clock,
        counts: Counts,
        pulls: dict[GatewayEui, Pull] | None = None,
    ) -> None:
        """`pulls` are those of a socket that was there before."""
        self._gateways, self._clock, self._counts = gateways, clock, counts
        self._transport: asyncio.DatagramTransport | None = None
        self._logged: dict[str, float] = {}
        self._pulls = {} if pulls is None else pulls
        self.wait: Callable[[], float] = lambda: 0.0
        """For how many seconds the datagram that is being taken waited for us."""
        for eui, gateway in gateways.items():
            gateway.way_down = partial(self._transmit, eui)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        # Not asserted: the selector loop's own class is no asyncio.DatagramTransport in 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def error_received(self, exc: Exception) -> None:
        """An earlier answer could not be delivered (ICMP): the forwarder is gone for now."""
        self._counts.refused.labels(reason="answer_undeliverable").inc()
        _log.debug("udp_answer_failed", error=str(exc))

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take one datagram, whatever it is."""
        try:
            self._take(data, addr)
        except RxpkError as error:
            self._refuse(error.reason, addr)

    def _refuse(self, reason: str, addr: Address) -> None:
        """Count it, and say so now and then."""
        self._counts.refused.labels(reason=reason).inc()
        now = self._clock.monotonic()
        if now - self._logged.get(reason, float("-inf")) >= _LOG_EVERY_S:
            self._logged[reason] = now
            _log.warning("datagram_refused", reason=reason, host=addr[0])

    def _take(self, data: bytes, addr: Address) -> None:
        if len(data) < _HEADER:
            raise RxpkError("too_short")
        if data[0] not in _VERSIONS:
            raise RxpkError("unknown_version")
        kind = _TYPES.get(data[3])
        if kind is None:
            raise RxpkError("unknown_type")
        if len(data) < _WITH_EUI:
            raise RxpkError("too_short")
        self._counts.datagrams.labels(type=kind).inc()
        eui = GatewayEui(data[4:_WITH_EUI].hex())
        gateway = self._gateways.get(eui)
        if gateway is None:
            self._counts.stranger = eui
            raise RxpkError("other_gateway")
        if data[3] == PUSH_DATA:
            self._take_push(eui, gateway, data, addr)
        elif data[3] == PULL_DATA:
            self._pulls[eui] = self._follow(eui, data[0], addr)
            gateway.warnings.put("two_forwarders", present=self._pulls[eui].returned is not None)
            trace = self._counts.traces[eui]
            trace.pulled, trace.forwarder = self._pulls[eui].at, addr[0]
            self._answer(data, PULL_ACK, addr)
        else:
            pull = self._pulls.get(eui)
            if pull is None or pull.address != addr:  # it was not given to whoever this is
                raise RxpkError("tx_ack_of_another")
            token = int.from_bytes(data[1:3], "little")
            gateway.downlinks.answered(token, txpk.parse_ack(data[_WITH_EUI:]))

    def _follow(self, eui: GatewayEui, version: int, addr: Address) -> Pull:
        """Where a forwarder is now. One that was started again has a new address; two that pull
        for one gateway come back to theirs in turns, and then half of all downlinks go astray.
        """
        last, now = self._pulls.get(eui), self._clock.monotonic()
        if last is None:
            return Pull(address=addr, version=version, at=now)
        former, returned = last.former, last.returned
        if addr != last.address:
            former, returned = last.address, now if addr == last.former else returned
        if returned is not None and now - returned > _TWO_S:
            returned = None
        return Pull(address=addr, version=version, at=now, former=former, returned=returned)

    def _transmit(self, eui: GatewayEui, token: int, packet: dict[str, Any]) -> bool:
        """Give a forwarder a `txpk`; False where there is no way to it."""
        pull = self._pulls.get(eui)
        if pull is None or self._clock.monotonic() - pull.at > FORGET_S:
            return False
        if self._transport is None or self._transport.is_closing():
            return False
        said = 0 if pull.version == 1 else token  # in version 1 these two bytes are unused
        head = bytes((pull.version, *said.to_bytes(2, "little"), PULL_RESP))
        body = json.dumps({"txpk": packet}, separators=(",", ":")).encode()
        self._transport.sendto(head + body, pull.address)
        return True

    def _answer(self, data: bytes, kind: int, addr: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(bytes((data[0], data[1], data[2], kind)), addr)

    def _take_push(self, eui: GatewayEui, gateway: Gateway, data: bytes, addr: Address) -> None:
        document = rxpk.load(data[_WITH_EUI:])
        entries = document.get("rxpk")
        if entries is not None and not isinstance(entries, list):
            raise RxpkError("rxpk_no_list")
        stat = document.get("stat")
        if stat is not None:
            self._take_stat(eui, gateway, stat, addr)
        token = int.from_bytes(data[1:3], "little")  # as the gateway bridge reads it
        waited_s = self.wait()
        arrivals: list[Arrival] = []
        for entry in entries or []:
            try:
                receptions = rxpk.parse(entry, gateway=eui, token=token, stat=stat)
            except RxpkError as error:
                self._refuse(error.reason, addr)
            else:
                for reception in receptions:
                    gateway.downlinks.tally.hear(reception.frame)
                arrivals += (
                    gateway.intake.hear(r.frame, r.satellite, waited_s=waited_s) for r in receptions
                )
                gateway.downlinks.hear(receptions[0].frame.rx_info.context, waited_s=waited_s)
        if arrivals:
            self._store(gateway.intake, arrivals, data, addr)
        else:
            self._answer(data, PUSH_ACK, addr)

    def _take_stat(self, eui: GatewayEui, gateway: Gateway, stat: object, addr: Address) -> None:
        try:
            stats = rxpk.parse_stat(stat, gateway=eui)
        except RxpkError as error:
            self._refuse(error.reason, addr)
            return
        gateway.downlinks.tally.fill(stats)
        gateway.publish_stats(stats)

    def _store(self, intake: Intake, arrivals: list[Arrival], data: bytes, addr: Address) -> None:
        try:
            future = intake.store(arrivals)
        except StoreUnavailable:
            self._refuse("outbox_busy", addr)
        else:
            future.add_done_callback(partial(self._acknowledge, data[:_HEADER], addr))

    def _acknowledge(self, head: bytes, addr: Address, future: asyncio.Future[Stored]) -> None:
        """What is on disk was heard; what is in memory only must not be called so."""
        if future.cancelled() or future.exception() is not None or not future.result().durable:
            self._counts.refused.labels(reason="not_durable").inc()
        else:
            self._answer(head, PUSH_ACK, addr)


@asynccontextmanager
async def listening(source: SemtechUdp, sock: socket.socket) -> AsyncIterator[None]:
    """Hear on a socket that goes on to exist: it keeps what comes while nobody listens."""
    loop = asyncio.get_running_loop()
    stamped = StampedSocket(sock)
    source.wait = lambda: stamped.waited_s
    transport, _ = await loop.create_datagram_endpoint(lambda: source, sock=stamped)
    try:
        yield
    finally:
        transport.close()
