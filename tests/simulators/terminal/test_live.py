"""A twin to play with, against small agents: what is typed happens, and the picture has it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from khaen.clock import SystemClock
from khaen.ids import GatewayEui, SubjectId
from khaen.lorawan.frame import DataFrame, parse
from simulators.ear import Ear
from simulators.link import Link
from simulators.payloads.wristband import SOS_PORT
from simulators.roads import Roads
from simulators.sites.demonstration import CALLER, make_site
from simulators.terminal.live import Account, Ledger, Live
from simulators.terminal.picture import Picture
from simulators.traffic import Traffic
from simulators.twin import Twin
from tests.simulators.agent import Agent, running_agent, until

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Play:
    """A running one with its agents, and what it showed and told."""

    live: Live
    agents: dict[GatewayEui, Agent]
    links: dict[GatewayEui, Link]
    running: asyncio.Task[None]
    pictures: list[Picture]
    told: list[str]
    accepted: list[tuple[str, str]] = field(default_factory=list)

    async def says(self, line: str) -> str:
        await self.live.enter(line)
        return self.told[-1]

    def frames(self) -> list[DataFrame]:
        parsed = [parse(phy) for agent in self.agents.values() for phy in agent.frames()]
        return [frame for frame in parsed if isinstance(frame, DataFrame)]


@asynccontextmanager
async def playing(*, seconds: float = math.inf) -> AsyncIterator[Play]:
    made = make_site(1)
    async with AsyncExitStack() as stack:
        agents = {
            gateway.eui: await stack.enter_async_context(running_agent())
            for gateway in made.site.gateways
        }
        links = {eui: await stack.enter_async_context(Link(("127.0.0.1", 9))) for eui in agents}
        clock = SystemClock()
        traffic = Traffic(made.site, made.keys, seed=1, start=START)
        ear = Ear(made.site, traffic)
        twin = Twin(
            traffic,
            {gateway.eui: gateway for gateway in made.site.gateways},
            {eui: agent.address for eui, agent in agents.items()},
            clock,
        )
        told: list[str] = []
        accepted: list[tuple[str, str]] = []

        async def look() -> Ledger:
            first = next(iter(agents))
            return Ledger(
                gateways={first: Account(committed=7, missing=0)},
                alarms_open=1,
                alarms={"1 unacknowledged": "P1 sos R-0012"},
                raised={"1": "P1 sos"},
            )

        async def accept(subject: SubjectId, rule: str) -> bool:
            accepted.append((subject, rule))
            return rule == "sos"

        live = Live(
            made.site,
            twin,
            ear,
            Roads(twin.forwarders, clock, seed=1, names={}, ciphers={}),
            clock,
            links=links,
            look=look,
            accept=accept,
            tell=lambda happening: told.append(happening.text),
        )
        pictures: list[Picture] = []
        running = asyncio.create_task(live.run(seconds, pictures.append))
        play = Play(live, agents, links, running, pictures, told, accepted)
        try:
            await until(lambda: all(agent.of(2) for agent in agents.values()))
            yield play
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_typed_call_goes_on_the_air_and_is_told() -> None:
    async with playing() as play:
        assert f"elder {CALLER} presses for help" in await play.says(f"sos {CALLER}")
        await until(lambda: any(frame.f_port == SOS_PORT for frame in play.frames()))


async def test_what_is_no_command_or_names_nobody_is_one_helpful_line() -> None:
    async with playing() as play:
        for line, help_ in (
            ("sos R-9999", "R-"),
            ("cut gw-9", "gw-2"),
            ("soss R-0012", "sos"),
            ("fault bursst=1", "bursts"),
            ("fall", "RESIDENT"),
            ("broker-down", "khaen scenario run"),
            ("accept R-0033 fall", "no fall of R-0033"),
            ("restore gw-3", "gw-3 was not cut"),
            ("fault loss=1,gateway=zz", "no gateway 'zz'; near it: gw-1"),
        ):
            said = await play.says(line)
            assert said.startswith("✗ "), said
            assert help_ in said
            assert "\n" not in said
        assert not play.running.done()


async def test_help_names_every_word() -> None:
    async with playing() as play:
        said = await play.says("help")
        for word in ("sos RESIDENT", "fall", "cut GATEWAY", "restore", "fault", "help", "quit"):
            assert word in said
        assert all(len(line) <= 78 for line in said.splitlines())
        refused = await play.says("zzzz")
        for word in ("reboot", "broker-down", "close"):
            assert word not in said
            assert word not in refused
        assert "fault" in refused


async def test_a_gateway_is_cut_and_restored_and_shown_so() -> None:
    async with playing() as play:
        second = list(play.links)[1]
        await play.says("cut gw-2")
        assert play.links[second].fault is not None
        assert [line.link for line in play.live.picture().gateways] == ["", "cut (refuse)", ""]
        assert "is cut already" in await play.says("cut gw-2")
        await play.says("restore gw-2")
        assert play.links[second].fault is None


async def test_faults_stand_between_forwarders_and_agents_until_they_are_over() -> None:
    async with playing() as play:
        await play.says("fault loss=1")
        await play.says(f"sos {CALLER}")
        await until(lambda: any("lost" in line.done for line in play.live.picture().faults))
        assert not [frame for frame in play.frames() if frame.f_port == SOS_PORT]
        (line,) = play.live.picture().faults
        assert line.text.startswith("loss")
        assert await play.says("fault off") == "faults are over"
        assert play.live.picture().faults == ()
        await play.says("sos R-0001")
        await until(lambda: any(frame.f_port == SOS_PORT for frame in play.frames()))


async def test_what_ended_faults_did_is_in_the_last_picture() -> None:
    async with playing() as play:
        await play.says("fault loss=1")
        await until(lambda: any("lost" in line.done for line in play.live.picture().faults))
        await play.says("fault off")
        await play.says("quit")
        async with asyncio.timeout(5):
            await play.running
        assert "lost" in play.pictures[-1].faults[0].done


async def test_the_picture_has_devices_gateways_the_ledger_and_its_alarms() -> None:
    async with playing() as play:
        await until(lambda: bool(play.pictures) and play.pictures[-1].frames > 5)
        picture = play.pictures[-1]
        assert picture.device_count == 60
        assert picture.alarms_open == 1
        assert picture.gateways[0].committed == 7
        assert picture.gateways[1].committed is None
        assert picture.gateways[1].backlog is None
        assert picture.rate > 0
        assert picture.devices[0].ago is None
        assert play.told.count("P1 sos R-0012") == 1


async def test_a_case_is_taken_by_the_name_of_its_resident_or_gateway() -> None:
    async with playing() as play:
        assert "a carer takes the sos" in await play.says(f"accept {CALLER}")
        assert play.accepted == [(f"person:{CALLER}", "sos")]


async def test_quit_ends_it_and_so_does_its_time() -> None:
    async with playing() as play:
        await play.live.enter("quit")
        async with asyncio.timeout(5):
            await play.running
        assert play.pictures[-1].raised == (("P1 sos", 1),)
    async with playing(seconds=0.2) as play, asyncio.timeout(5):
        await play.running
