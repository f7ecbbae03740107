"""A gateway in a virtual world: the real agent, on a machine whose power and clock can fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from edge.generation import Generation
from edge.program import Program
from edge.settings import EdgeSettings, OutboxSettings, UdpSettings
from edge.sources.semtech_udp import SemtechUdp
from khaen.ids import GatewayEui
from khaen.mqtt import Connect
from simulators.inside.clocks import GatewayClock, WorldClock, boot
from simulators.inside.link import VirtualLink
from simulators.inside.loop import Address, VirtualLoop
from simulators.inside.writer import InlineWriter

NTP_S: Final = 30.0
"""How long after its network came a Pi knows the time: an assumption, timesyncd's first poll."""
_HOST: Final = "127.0.0.1"


class VirtualGateway:
    """One machine. `link` is its way to the broker; `clock` what it takes for the time."""

    def __init__(
        self,
        eui: GatewayEui,
        *,
        site: str,
        region: str,
        folder: Path,
        loop: VirtualLoop,
        clock: WorldClock,
        link: VirtualLink,
        connect: Connect,
        port: int,
        heartbeat_s: float,
        status_s: float,
    ) -> None:
        self.eui, self.link = eui, link
        self.address: Address = (_HOST, port)
        """Where its packet forwarder finds it."""
        self.clock = GatewayClock(clock)
        self.satellite = True
        """Whether its receiver knows the time of the satellites, and says it with each frame."""
        self.listening = asyncio.Event()
        """Set once its agent hears the packet forwarder for the first time."""
        self._loop, self._connect = loop, connect
        self._settings = EdgeSettings(
            gateway_eui=eui,
            site=site,
            region=region,
            simulated=True,
            heartbeat_s=heartbeat_s,
            status_s=status_s,
            outbox=OutboxSettings(path=folder / f"outbox-{eui}.sqlite"),
            udp=UdpSettings(host=_HOST, port=port),
        )
        self._boots = 0
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        link.listen(self._keep_time)

    @property
    def running(self) -> asyncio.Task[None] | None:
        """The agent's task, None while it is dark."""
        return self._running

    def start(self) -> None:
        """Give it power."""
        self._boots += 1
        self._stop = asyncio.Event()
        program = Program(
            self._settings,
            self.clock,
            boot(self.eui, self._boots, self.clock),
            connect=self._connect,
            writer=InlineWriter,
        )
        self._running = self._loop.create_task(
            program.live(self._stop, self._listen), name=f"agent {self.eui}"
        )

    async def stop(self) -> None:
        """End the agent in good order."""
        self._stop.set()
        if self._running is not None:
            await self._running
        self._running = None

    async def lose_power(self) -> None:
        """End the agent where it stands; it tells nobody."""
        fault = self.link.fault
        self.link.cut()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        self._running = None
        if fault is None:
            self.link.restore()

    def lose_time(self) -> None:
        """It has no clock of its own: it knows the time again when its network tells it."""
        self.satellite = False
        self.clock.known = False
        self.clock.ahead = -timedelta(days=30)  # what systemd last wrote down
        self._keep_time()

    def _keep_time(self) -> None:
        if not self.clock.known and self.link.whole:
            self._loop.call_later(NTP_S, self._learn_time)

    def _learn_time(self) -> None:
        if self.link.whole and self._running is not None and not self.clock.known:
            self.clock.known, self.clock.ahead = True, timedelta()

    @asynccontextmanager
    async def _listen(self, generation: Generation) -> AsyncIterator[None]:
        source = SemtechUdp(generation.stations, self.clock, generation.counts)
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: source, local_addr=self.address
        )
        self.listening.set()
        try:
            yield
        finally:
            transport.close()
