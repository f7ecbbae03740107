"""The whole agent's condition, gathered from its gateways when somebody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from prometheus_client import Counter

from edge.counts import Counts
from edge.health.condition import ClockCondition, Condition, GatewayCondition
from edge.health.vitals import Vitals
from edge.host import Host
from edge.outbox.writer import Writer
from edge.settings import EdgeSettings
from edge.version import find_version
from khaen.clock import Clock
from khaen.errors import StoreUnavailable
from khaen.ids import GatewayEui

_ANSWER_S: Final = 5.0
"""An outbox that does not answer for so long does not do its work."""


class Gateway(Protocol):
    """What is asked of an `edge.station.Station`."""

    vitals: Vitals
    writer: Writer


class Agent(Protocol):
    """What is asked of an `edge.generation.Generation`."""

    settings: EdgeSettings

    @property
    def stations(self) -> Mapping[GatewayEui, Gateway]:
        """Its gateways."""


class Survey:
    """Asks all gateways; `agent` gives the present generation, None before there is one."""

    def __init__(
        self, agent: Callable[[], Agent | None], clock: Clock, host: Host, counts: Counts
    ) -> None:
        self._agent, self._clock, self._host, self._counts = agent, clock, host, counts

    async def find_faults(self) -> list[str]:
        """Reasons for which the agent does not do its work, one line each; none is well."""
        agent = self._agent()
        if agent is None:
            return ["it is starting"]
        faults = await asyncio.gather(
            *(_find_fault(gateway, station) for gateway, station in agent.stations.items())
        )
        return [fault for fault in faults if fault]

    async def answer(self) -> None:
        """Return once every outbox has answered. Raises TimeoutError, StoreUnavailable."""
        agent = self._agent()
        if agent is not None:
            async with asyncio.timeout(_ANSWER_S):
                await asyncio.gather(
                    *(station.writer.submit(lambda: None) for station in agent.stations.values())
                )

    async def look(self) -> Condition | None:
        """The condition of this moment; None before there is any.

        A gateway whose outbox does not answer is among the faults only.
        """
        agent = self._agent()
        if agent is None:
            return None
        faults = await self.find_faults()
        looks = await asyncio.gather(*(_look(station) for station in agent.stations.values()))
        kernel, counts = self._host.kernel_clock(), self._counts
        return Condition(
            at=self._clock.now(),
            version=find_version(),
            configuration=agent.settings.fingerprint(),
            uptime_s=self._clock.monotonic() - counts.started,
            site=agent.settings.site,
            region=agent.settings.region,
            simulated=agent.settings.simulated,
            faults=tuple(faults),
            gateways=tuple(part for part in looks if part is not None),
            clock=ClockCondition(
                kept=kernel.kept,
                keeper=self._host.clock_keeper(),
                offset_ms=kernel.offset_ms,
                error_ms=kernel.error_ms,
            ),
            under_voltage=self._host.under_voltage(),
            stranger=counts.stranger,
            counts={
                name: _total(counter)
                for name, counter in (
                    ("datagrams", counts.datagrams),
                    ("refused", counts.refused),
                    ("heard", counts.heard),
                    ("receipts", counts.receipts),
                    ("connections", counts.connections),
                )
            },
        )


async def _find_fault(gateway: GatewayEui, station: Gateway) -> str:
    try:
        async with asyncio.timeout(_ANSWER_S):
            volatile = await station.writer.submit(lambda: station.writer.outbox.volatile)
    except TimeoutError:
        return f"{gateway}: the outbox has not answered for {_ANSWER_S:.0f} s"
    except StoreUnavailable as error:
        return f"{gateway}: {error}"
    return f"{gateway}: the disk refuses, frames are in memory only" if volatile else ""


async def _look(station: Gateway) -> GatewayCondition | None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await station.vitals.look()
    except (TimeoutError, StoreUnavailable):
        return None


def _total(counter: Counter) -> dict[str, int]:
    """A counter's values by its label; one without labels under an empty name."""
    return {
        next(iter(sample.labels.values()), ""): int(sample.value)
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
