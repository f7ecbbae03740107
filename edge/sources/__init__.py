"""Where the agent hears the radio: one file per kind of source.

Each is opened where its table of the settings asks for it, and imported only then. What it needs of
a gateway is its `edge.station.Station`: `intake` to hear and store, `publish_stats`, and
`way_down` or `transmitter` for downlinks.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from edge.generation import Generation


@asynccontextmanager
async def opened(generation: Generation, udp: socket.socket | None) -> AsyncIterator[None]:
    """All sources of a generation, Semtech's on the socket `udp`. Raises NotRunnable."""
    stations, clock, counts = generation.stations, generation.clock, generation.counts
    async with AsyncExitStack() as stack:
        if udp is not None:
            from edge.sources import semtech_udp

            source = semtech_udp.SemtechUdp(stations, clock, counts)
            await stack.enter_async_context(semtech_udp.listening(source, udp))
        yield
