"""Where the agent hears the radio: one file per kind of source.

Each is opened where its table of the settings asks for it, and imported only then. What it needs of
a gateway is its `edge.station.Station`: `intake` to hear and store, `publish_stats`, and
`way_down` or `transmitter` for downlinks.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from edge.generation import Generation
from khaen.ids import GatewayEui

if TYPE_CHECKING:
    from edge.sources.semtech_udp import Pull


@asynccontextmanager
async def opened(
    generation: Generation, udp: socket.socket | None, pulls: dict[GatewayEui, Pull]
) -> AsyncIterator[None]:
    """All sources of a generation, Semtech's on the socket `udp`. Raises NotRunnable.

    What names no gateway itself is heard by the first.
    """
    stations, clock, counts = generation.stations, generation.clock, generation.counts
    settings = generation.settings
    first = stations[settings.gateway_eui]
    async with AsyncExitStack() as stack:
        if udp is not None:
            from edge.sources import semtech_udp

            source = semtech_udp.SemtechUdp(stations, clock, counts, pulls)
            await stack.enter_async_context(semtech_udp.listening(source, udp))
        if settings.concentratord is not None:
            from edge.sources.concentratord import Concentratord

            daemon = Concentratord(settings.concentratord, stations)
            await stack.enter_async_context(daemon.listening())
        if settings.serial is not None:
            from edge.sources.serial_module import SerialModule

            await stack.enter_async_context(SerialModule(settings.serial, first).listening())
        if settings.network_server is not None:
            from edge.sources.network_server import NetworkServer

            events = NetworkServer(settings.network_server, first)
            await stack.enter_async_context(events.listening())
        yield
