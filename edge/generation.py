"""All of an agent that its settings make anew: stations first, then the sources that feed them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from edge.counts import Counts
from edge.dating import Dating
from edge.host import Host
from edge.outbox.writer import Writer
from edge.settings import EdgeSettings
from edge.station import Remote, Station
from khaen.clock import Clock
from khaen.ids import GatewayEui
from khaen.mqtt import Connect


class Generation:
    """Runs on `writers` that outlive it, one for each gateway of `settings`."""

    def __init__(
        self,
        settings: EdgeSettings,
        writers: Mapping[GatewayEui, Writer],
        dating: Dating,
        clock: Clock,
        host: Host,
        counts: Counts,
        connect: Connect,
        remote: Remote | None = None,
    ) -> None:
        self.settings, self.clock, self.counts = settings, clock, counts
        self.stations = {
            own.gateway_eui: Station(
                own,
                writers[own.gateway_eui],
                dating,
                clock,
                host,
                counts,
                connect,
                configuration=settings.fingerprint(),
                remote=remote if own.remote.enabled else None,
            )
            for own in settings.of_each()
        }

    async def run(
        self,
        end: asyncio.Event,
        sources: AbstractAsyncContextManager[None],
        began: Callable[[], None],
    ) -> None:
        """Run until `end` is set. Sinks start before `sources` and stop after them; `began` is
        called once both are there.
        """
        stations = self.stations.values()
        for station in stations:
            await station.recall()
        for station in stations:
            station.start()
        try:
            async with AsyncExitStack() as hearing:
                await hearing.enter_async_context(sources)
                began()
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(station.run(), name=f"station {station.gateway}")
                        for station in stations
                    ]
                    await end.wait()
                    await hearing.aclose()
                    for task in tasks:
                        task.cancel()
        finally:
            await asyncio.gather(*(station.stop() for station in stations))


Hear = Callable[[Generation], AbstractAsyncContextManager[None]]
"""How the sources of a generation are opened."""
