"""ChirpStack Concentratord, over ZeroMQ: what the concentrator hears, and whole downlinks to it.

chirpstack-concentratord 4.5 and later (libconcentratord, events.rs and commands.rs): it publishes
`gw.Event` and answers `gw.Command`; an earlier one has another protocol and answers with nothing.
PUB/SUB has no acknowledgement: what it publishes while nobody listens, or while the agent starts,
is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge import upkeep
from edge.counts import Counts
from edge.downlinks import Downlinks, Transmitter
from edge.intake import Intake
from edge.outbox.outbox import Stored
from edge.source_settings import ConcentratordSettings
from edge.warnings import Warnings
from khaen import log
from khaen.backoff import Backoff
from khaen.clock import from_gps
from khaen.errors import NotRunnable, StoreUnavailable, WireError
from khaen.ids import GatewayEui
from khaen.lorawan.frame import MAX_PHY_SIZE

try:
    import zmq
    import zmq.asyncio
except ImportError as error:
    raise NotRunnable(
        "[concentratord] needs pyzmq: install khaen[concentratord], or take it away"
    ) from error

_log = log.logger()
AWAY: Final = "concentratord_away"
"""The warning while nobody answers its commands."""
_ANSWER_S: Final = 2.0
"""It answers as soon as it has looked into its queue."""
_ASK_EVERY_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 10.0
_MOST_EVENTS: Final = 1000
"""Events that wait in memory for us."""
_MOST_BYTES: Final = 65_536
_MOST_DOWNLINKS: Final = 64
"""That wait for their turn; more are QUEUE_FULL."""


class Gateway(Protocol):
    """What this source needs of an `edge.station.Station`."""

    intake: Intake
    downlinks: Downlinks
    transmitter: Transmitter
    counts: Counts
    warnings: Warnings

    def publish_stats(self, stats: gw.GatewayStats) -> None:
        """Say what the concentrator counted."""

    def publish_ack(self, ack: gw.DownlinkTxAck) -> None:
        """Say what became of a downlink."""


class Commands:
    """The way to its commands: one at a time, each on a socket that is thrown away on silence."""

    def __init__(self, context: zmq.asyncio.Context, url: str) -> None:
        self._context, self._url = context, url
        self._socket: zmq.asyncio.Socket | None = None
        self._turn = asyncio.Lock()

    async def ask(self, command: gw.Command) -> bytes:
        """Its answer; empty where it refuses. Raises TimeoutError."""
        async with self._turn:
            if self._socket is None:
                self._socket = self._context.socket(zmq.REQ)
                self._socket.setsockopt(zmq.LINGER, 0)
                self._socket.connect(self._url)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._socket.send(command.SerializeToString())
                    return bytes(await self._socket.recv())
            except BaseException:
                self.close()  # a REQ socket that had no answer cannot ask again
                raise

    def close(self) -> None:
        """Forget what was asked."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Concentratord:
    """One Concentratord, which is one gateway of `gateways`."""

    def __init__(
        self, settings: ConcentratordSettings, gateways: Mapping[GatewayEui, Gateway]
    ) -> None:
        self._settings, self._gateways = settings, gateways
        self._context = zmq.asyncio.Context()
        self._commands = Commands(self._context, settings.command_url)
        self._waiting: asyncio.Queue[gw.DownlinkFrame] = asyncio.Queue(_MOST_DOWNLINKS)
        self._gateway: Gateway | None = None
        self._counts = next(iter(gateways.values())).counts

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear until it is left. Raises NotRunnable where it is a gateway that is not ours."""
        self._events = self._subscribe()
        parts = {
            "concentratord events": self._hear,
            "concentratord watch": self._look_after,
            "concentratord downlinks": self._send,
        }
        try:
            await self._meet()
            async with upkeep.running(parts):
                yield
        finally:
            self._events.close()
            self._commands.close()
            self._context.term()
            self._leave()

    def _subscribe(self) -> zmq.asyncio.Socket:
        events = self._context.socket(zmq.SUB)
        events.setsockopt(zmq.LINGER, 0)
        events.setsockopt(zmq.RCVHWM, _MOST_EVENTS)
        events.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
        events.setsockopt(zmq.SUBSCRIBE, b"")
        events.connect(self._settings.event_url)
        return events

    # -- whose it is --------------------------------------------------------

    async def _meet(self) -> None:
        """Ask it who it is. One that is silent may come later; one that is a stranger is not run.

        Raises NotRunnable.
        """
        try:
            answer = await self._commands.ask(gw.Command(get_gateway_id=gw.GetGatewayIdRequest()))
            said = gw.GetGatewayIdResponse.FromString(answer).gateway_id
        except (TimeoutError, DecodeError):
            self._warn(away=True)
            return
        if not said:
            raise NotRunnable(
                f"concentratord at {self._settings.command_url} does not say which gateway it is:"
                " it is older than 4.5; install a newer one"
            )
        gateway = self._gateways.get(GatewayEui(said))
        if gateway is None:
            raise NotRunnable(
                f"concentratord at {self._settings.command_url} is gateway {said},"
                " which is not configured: set gateway_eui to it, or add it to [[gateways]]"
            )
        self._gateway = gateway
        gateway.transmitter = self
        self._warn(away=False)

    async def _look_after(self) -> None:
        """Ask it now and then, so that its absence is known; sooner while it is away."""
        backoff = Backoff(cap=_LONGEST_PAUSE_S)
        while True:
            away = any(AWAY in gateway.warnings for gateway in self._gateways.values())
            await asyncio.sleep(backoff.next() if away else _ASK_EVERY_S)
            try:
                await self._meet()
            except NotRunnable as error:
                self._warn(away=True)
                _log.error("concentratord_is_another", reason=str(error))

    def _warn(self, *, away: bool) -> None:
        for gateway in [self._gateway] if self._gateway else self._gateways.values():
            gateway.warnings.put(AWAY, present=away)

    def _leave(self) -> None:
        for gateway in self._gateways.values():
            gateway.warnings.discard(AWAY)
            if gateway.transmitter is self:
                gateway.transmitter = gateway.downlinks

    # -- up -----------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            message, *more = await self._events.recv_multipart()
            try:
                self._take(gw.Event() if more else gw.Event.FromString(message))
            except DecodeError:
                self._counts.refused.labels(reason="not_protobuf").inc()
            except WireError as error:
                self._counts.refused.labels(reason=error.reason).inc()

    def _take(self, event: gw.Event) -> None:
        """Raises WireError for what cannot be taken."""
        match event.WhichOneof("event"):
            case "uplink_frame":
                self._take_frame(event.uplink_frame)
            case "gateway_stats":
                self._own(event.gateway_stats.gateway_id).publish_stats(event.gateway_stats)
            case other:
                raise WireError("unknown_event", str(other))

    def _own(self, said: str) -> Gateway:
        gateway = self._gateways.get(GatewayEui(said))
        if gateway is None:
            raise WireError("other_gateway", said[:40])
        return gateway

    def _take_frame(self, frame: gw.UplinkFrame) -> None:
        rx = frame.rx_info
        gateway = self._own(rx.gateway_id)
        if rx.crc_status != gw.CRC_OK:
            raise WireError("crc_bad" if rx.crc_status == gw.BAD_CRC else "crc_absent")
        if not 0 < len(frame.phy_payload) <= MAX_PHY_SIZE:
            raise WireError("too_long" if frame.phy_payload else "no_data")
        for key, value in list(rx.metadata.items()):
            if key.startswith("khaen_") or "gatewayId" in key + value:
                del rx.metadata[key]  # it would pass for the agent's own, or for JSON
        satellite = None
        if rx.HasField("time_since_gps_epoch"):
            satellite = from_gps(rx.time_since_gps_epoch.ToTimedelta())
        arrival = gateway.intake.hear(frame, satellite)
        gateway.downlinks.hear(rx.context)
        try:
            gateway.intake.store([arrival]).add_done_callback(self._stored)
        except StoreUnavailable as error:
            raise WireError("outbox_busy") from error

    def _stored(self, future: asyncio.Future[Stored]) -> None:
        if not future.cancelled() and future.exception() is None and not future.result().durable:
            self._counts.refused.labels(reason="not_durable").inc()

    # -- down ---------------------------------------------------------------

    def take(self, frame: gw.DownlinkFrame) -> None:
        """Send a downlink in its turn; Concentratord itself tries its items one after the other."""
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self._tell(frame, gw.QUEUE_FULL)

    async def _send(self) -> None:
        while True:
            frame = await self._waiting.get()
            gateway = self._own(frame.gateway_id)
            if all(gateway.downlinks.is_over(item.tx_info) for item in frame.items):
                self._tell(frame, gw.TOO_LATE)
                continue
            try:
                answer = await self._commands.ask(gw.Command(send_downlink_frame=frame))
                ack = gw.DownlinkTxAck.FromString(answer)
            except (TimeoutError, DecodeError):
                ack = gw.DownlinkTxAck()
            for item in ack.items:
                if item.status not in gw.TxAckStatus.values():  # of a later version
                    item.status = gw.INTERNAL_ERROR
            if ack.items:
                self._publish(gateway, ack)
            else:  # silent, or it refused the whole: it may have been sent, and is not tried again
                self._tell(frame, gw.INTERNAL_ERROR)

    def _tell(self, frame: gw.DownlinkFrame, status: Any) -> None:
        items = [gw.DownlinkTxAckItem(status=status) for _ in frame.items]
        ack = gw.DownlinkTxAck(
            gateway_id=frame.gateway_id, downlink_id=frame.downlink_id, items=items
        )
        self._publish(self._own(frame.gateway_id), ack)

    def _publish(self, gateway: Gateway, ack: gw.DownlinkTxAck) -> None:
        statuses = [item.status for item in ack.items]
        outcome = gw.OK if gw.OK in statuses else statuses[-1]
        self._counts.downlinks.labels(status=gw.TxAckStatus.Name(outcome).lower()).inc()
        gateway.publish_ack(ack)
