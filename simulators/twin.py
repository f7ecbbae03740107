"""The twin of a site in real time: its devices on the air, its packet forwarders on the wire.

All of it is one process and one event loop; the agents that it talks to are real. What it counts is
its own: it learns from the agents' PUSH_ACKs alone what they took, never from Khaen's books.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from khaen import log
from khaen.clock import Clock
from khaen.ids import GatewayEui
from khaen.site.model import Gateway
from simulators.air.radio import Hearing
from simulators.devices.device import Transmission
from simulators.drive import LONGEST_WAIT_S, Drive
from simulators.gateways.packet_forwarder import PacketForwarder
from simulators.traffic import Traffic

_log = log.logger()

Pushed = Callable[[Hearing, float], None]
"""Told of each frame handed to a socket, with the monotonic time of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one gateway's forwarder sent and what its agent acknowledged, in frames."""

    sent: int
    acked: int


class Twin:
    """Runs a site's radio. `agents` says where each gateway's agent listens for UDP."""

    def __init__(
        self,
        traffic: Traffic,
        gateways: Mapping[GatewayEui, Gateway],
        agents: Mapping[GatewayEui, tuple[str, int]],
        clock: Clock,
        *,
        pushed: Pushed = lambda _hearing, _at: None,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self.traffic = traffic
        self.unheard = 0
        """Frames that no gateway demodulated: never heard, so never promised."""
        self._pushed = pushed
        self._agents = dict(agents)
        self._forwarders = {
            eui: PacketForwarder(gateway, clock, lambda: self.now)
            for eui, gateway in traffic.gateways.items()
            if eui in agents and eui in gateways
        }
        self._ended = 0
        traffic.listen(self._hand_over)
        self._drive = Drive(traffic.agenda, clock, longest_wait_s=longest_wait_s)

    async def run(self) -> None:
        """Until cancelled: radio until `stop_radio`, forwarders to the end."""
        async with asyncio.TaskGroup() as tasks:
            for eui, forwarder in self._forwarders.items():
                tasks.create_task(forwarder.run(*self._agents[eui]), name=f"forwarder {eui}")
            tasks.create_task(self._drive.run(), name="radio")

    @property
    def now(self) -> float:
        """Seconds since the twin was made, which is when its radio begins."""
        return self._drive.now

    @property
    def transmissions(self) -> int:
        """Frames that devices put on the air."""
        return self._ended + self.traffic.flying

    def stop_radio(self) -> None:
        """Nothing is transmitted any more; what is on the air still arrives."""
        self.traffic.silence()

    def look_again(self) -> None:
        """Something was put into the traffic from outside."""
        self._drive.look()

    @property
    def forwarders(self) -> Mapping[GatewayEui, PacketForwarder]:
        """The packet forwarders, for whoever puts a frame before one."""
        return self._forwarders

    def tallies(self) -> dict[GatewayEui, Tally]:
        """What each forwarder sent and got acknowledged so far."""
        return {
            eui: Tally(sent=forwarder.counts.sent, acked=forwarder.counts.acked)
            for eui, forwarder in self._forwarders.items()
        }

    @property
    def quiet(self) -> bool:
        """Whether the radio is off and every frame that was sent is acknowledged."""
        settled = all(forwarder.unanswered == 0 for forwarder in self._forwarders.values())
        return self.traffic.silenced and not self.traffic.flying and settled

    def _hand_over(self, sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        """A frame is over: each gateway that demodulated it tells its agent."""
        self._ended += 1
        self.unheard += not hearings
        for hearing in hearings:
            forwarder = self._forwarders.get(hearing.gateway_eui)
            if forwarder is None:
                continue
            try:
                self._pushed(hearing, forwarder.push([hearing], sent.ends))
            except OSError as error:
                _log.warning("datagram_not_sent", gateway_eui=hearing.gateway_eui, error=str(error))
