"""The agent as remote configuration sees it: is it in touch, and what proves it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final

from edge import program
from edge.program import Program
from edge.remote.local import Local
from edge.remote.remote import Remote
from edge.settings import EdgeSettings
from edge.station import Station
from khaen import log, topics
from khaen.clock import SystemClock
from khaen.configuration import ConfigurationState, Outcome
from khaen.errors import KhaenError, StoreUnavailable
from khaen.ids import GatewayEui

_log = log.logger()
_WARNING: Final = "configuration_not_kept"
_LOOK_S: Final = 0.2
"""Receipts are gathered for as long at the other end."""


class Stations:
    """The gateways of a running program; an `edge.remote.remote.Agent`."""

    def __init__(self, agent: Program) -> None:
        self._agent = agent

    def _stations(self) -> dict[GatewayEui, Station]:
        generation = self._agent.generation
        return {} if generation is None else generation.stations

    async def apply(self, settings: EdgeSettings) -> None:
        """Run on other settings. Raises KhaenError; it then runs on those before."""
        await self._agent.apply(settings)
        log.set_level(settings.log_level)

    def connected(self) -> frozenset[GatewayEui]:
        """Those that are connected now, with every subscription granted."""
        return frozenset(e for e, station in self._stations().items() if _is_connected(station))

    async def prove(self, gateways: Collection[GatewayEui]) -> None:
        """Return once each of `gateways` has a receipt for a heartbeat stored from now on."""
        stations = self._stations()
        await asyncio.gather(*(_prove(stations[gateway]) for gateway in gateways))

    def explain(self, gateways: Collection[GatewayEui]) -> str:
        """Why they have none."""
        for gateway, station in self._stations().items():
            if gateway in gateways and not _is_connected(station):
                return f"{gateway}: {station.broker.state}"
        return "connected, but no heartbeat was receipted"

    def tell(self, state: ConfigurationState) -> None:
        """Publish it by the first gateway, if that is connected."""
        first = self._agent.settings.gateway_eui
        if (station := self._stations().get(first)) is not None:
            failed = state.outcome in (Outcome.REFUSED, Outcome.ROLLED_BACK)
            station.warnings.put(_WARNING, present=failed)
            topic = topics.configuration_state(first)
            # QoS 0 waits for no place in the window, which a change of settings would not outlive;
            # what a breaking connection loses is said again at the next one.
            station.broker.publish(topic, state.model_dump_json().encode(), qos=0, retain=True)


def _is_connected(station: Station) -> bool:
    return station.broker.client.connected


async def _prove(station: Station) -> None:
    """Settled is what the site has receipted, or the broker acknowledged where that is proof."""
    outbox = station.writer.outbox
    stored = None
    while True:
        try:
            if stored is None or stored.generation != outbox.generation:  # or numbered anew since
                stored = await station.intake.store([station.intake.beat()])
            elif _is_connected(station):
                number = stored.records[0].number
                if not await station.writer.submit(partial(outbox.fetch, [number])):
                    return
        except StoreUnavailable:
            _log.info("trial_waits", reason="outbox_busy")
        await asyncio.sleep(_LOOK_S)


async def start(file: Path) -> None:
    """Run the agent of a settings file, and of what lies over it, until SIGTERM or SIGINT.

    Raises NotRunnable and SettingsError.
    """
    remote = Remote(Local(file), SystemClock())
    log.set_level(remote.settings.log_level)
    await program.run(remote.settings, remote=remote, live=partial(_live, remote))


async def _live(remote: Remote, agent: Program, stop: asyncio.Event) -> None:
    """Run the agent on what `remote` decides."""
    try:
        async with asyncio.TaskGroup() as group:
            deciding = group.create_task(_decide(remote, agent, stop), name="remote configuration")
            await agent.run(stop)
            deciding.cancel()
    except BaseExceptionGroup as errors:
        for error in errors.exceptions:
            if isinstance(error, KhaenError):
                raise error from None
        raise


async def _decide(remote: Remote, agent: Program, stop: asyncio.Event) -> None:
    try:
        await remote.run(Stations(agent))
    except KhaenError:
        if not stop.is_set():  # else nothing is to be run on any more, and that is no fault
            raise
