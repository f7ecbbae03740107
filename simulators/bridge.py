"""A site's traffic and a network server in one simulation, on one agenda, without any wire.

Frames reach the server as a gateway's agent would write them, and its downlinks go into the
gateways' queues. The server's clock is an `AgendaClock` of the traffic's agenda.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

from chirpstack_api import gw

from edge.semtech import rxpk
from khaen.ids import GatewayEui
from khaen.lorawan.region import data_rate_of
from simulators.agenda import NEVER
from simulators.air.radio import Hearing
from simulators.devices.device import Transmission
from simulators.gateways.gateway import Gateway, Packet, TxError
from simulators.gateways.semtech import render_rxpk
from simulators.network.output import Downlink, Event
from simulators.traffic import Traffic

_STATUS: Final = {
    None: gw.OK,
    TxError.TOO_LATE: gw.TOO_LATE,
    TxError.TOO_EARLY: gw.TOO_EARLY,
    TxError.COLLISION_PACKET: gw.COLLISION_PACKET,
    TxError.TX_FREQ: gw.TX_FREQ,
    TxError.TX_POWER: gw.TX_POWER,
    TxError.GPS_UNLOCKED: gw.GPS_UNLOCKED,
}
_AT_ONCE_S: Final = 0.1


class NetworkServer(Protocol):
    """What `simulators.network.core.NetworkCore` does."""

    def take_uplink(self, frame: gw.UplinkFrame) -> None:
        """A gateway heard a frame."""

    def take_tx_ack(self, ack: gw.DownlinkTxAck) -> None:
        """A gateway says what became of a downlink."""

    def next_at(self) -> float | None:
        """When it has work."""

    def step(self) -> tuple[Event | Downlink, ...]:
        """Its work; what it gives."""


class Bridge:
    """Carries between a traffic and a network server; `tell` is told the server's events."""

    def __init__(
        self,
        traffic: Traffic,
        server: NetworkServer,
        tell: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._traffic, self._server, self._tell = traffic, server, tell
        self._waking = NEVER
        self._count = 0
        traffic.listen(self._take_up)

    def _take_up(self, _sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        for hearing in hearings:
            self._count += 1
            gateway = self._traffic.gateways[hearing.gateway_eui]
            self._server.take_uplink(uplink_frame(hearing, gateway, self._traffic, self._count))
        if hearings:
            self.follow()

    def follow(self) -> None:
        """Look when the server has work; call it after putting something into its queues."""
        due = self._server.next_at()
        if due is not None and due < self._waking:
            self._waking = due
            self._traffic.agenda.at(due, self._work)

    def _work(self, now: float) -> None:
        self._waking = NEVER
        for output in self._server.step():
            if isinstance(output, Event):
                self._tell(output)
            else:
                frame = output.frame
                gateway = self._traffic.gateways.get(GatewayEui(frame.gateway_id))
                if gateway is not None:
                    self._server.take_tx_ack(take_down(frame, gateway, now))
        self.follow()


def uplink_frame(
    hearing: Hearing, gateway: Gateway, traffic: Traffic, number: int
) -> gw.UplinkFrame:
    """What a gateway's agent makes of a frame that it heard."""
    ended = hearing.transmission.ends
    document = render_rxpk(
        hearing,
        counter=gateway.counter(ended),
        at=traffic.start + timedelta(seconds=ended),
    )
    (reception,) = rxpk.parse(document, gateway=gateway.eui, token=number & 0xFFFF)
    return reception.frame


def take_down(frame: gw.DownlinkFrame, gateway: Gateway, now: float) -> gw.DownlinkTxAck:
    """Have a gateway transmit the first item that it can; what it answers."""
    ack = gw.DownlinkTxAck(gateway_id=frame.gateway_id, downlink_id=frame.downlink_id)
    taken = False
    for item in frame.items:
        status = gw.IGNORED if taken else _schedule(item, gateway, now)
        taken = taken or status == gw.OK
        ack.items.append(gw.DownlinkTxAckItem(status=status))
    return ack


def _schedule(item: gw.DownlinkFrameItem, gateway: Gateway, now: float) -> gw.TxAckStatus.ValueType:
    info = item.tx_info
    lora = info.modulation.lora
    rate = data_rate_of(lora.spreading_factor, lora.bandwidth)
    if rate is None:
        return gw.TX_FREQ
    at = now + _AT_ONCE_S
    if info.timing.HasField("delay"):
        heard = gateway.time_of(int.from_bytes(info.context[-4:], "big"), now)
        at = heard + info.timing.delay.delay.ToTimedelta().total_seconds()
    packet = Packet(
        phy=item.phy_payload,
        frequency=info.frequency,
        data_rate=rate,
        power=info.power,
        at=at,
    )
    return _STATUS[gateway.schedule(packet, now)]
