"""The twin against small agents: real time, real datagrams, its own counts."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from khaen.clock import SystemClock
from khaen.ids import GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, parse
from simulators.air.radio import Hearing
from simulators.payloads.wristband import SOS_PORT
from simulators.sites.demonstration import CALLER, make_site
from simulators.traffic import Traffic
from simulators.twin import Twin
from tests.simulators.agent import TX_ACK, Agent, running_agent, until

SEED = 1


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[Twin, dict[GatewayEui, Agent], list[Hearing]]]:
    made = make_site(SEED)
    gateways = {gateway.eui: gateway for gateway in made.site.gateways}
    pushed: list[Hearing] = []
    async with contextlib.AsyncExitStack() as stack:
        agents = {eui: await stack.enter_async_context(running_agent()) for eui in gateways}
        twin = Twin(
            Traffic(made.site, made.keys, seed=SEED, start=datetime.now(UTC)),
            gateways,
            {eui: agent.address for eui, agent in agents.items()},
            SystemClock(),
            pushed=lambda hearing, _at: pushed.append(hearing),
        )
        task = asyncio.create_task(twin.run())
        try:
            yield twin, agents, pushed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_frames_reach_the_agents_and_are_counted_when_acknowledged() -> None:
    async with running() as (twin, agents, pushed):
        await until(lambda: sum(tally.acked for tally in twin.tallies().values()) >= 10)
        twin.stop_radio()
        await until(lambda: twin.quiet)
        assert twin.transmissions > 0
        for eui, tally in twin.tallies().items():
            frames = agents[eui].frames()
            assert tally.sent == tally.acked == len(frames)
            assert all(isinstance(parse(frame), DataFrame) for frame in frames)
        assert len(pushed) == sum(tally.sent for tally in twin.tallies().values())


async def test_nothing_is_sent_after_the_radio_stopped() -> None:
    async with running() as (twin, _agents, _pushed):
        await until(lambda: twin.transmissions > 0)
        twin.stop_radio()
        await until(lambda: twin.quiet)
        before = twin.transmissions
        await asyncio.sleep(1.0)  # in which at least five devices would have reported
        assert twin.transmissions == before


async def test_a_call_goes_out_at_once_by_every_gateway_that_hears_it() -> None:
    async with running() as (twin, agents, pushed):
        twin.traffic.press(CALLER, twin.now)
        twin.look_again()
        await until(lambda: sum(h.transmission.f_port == SOS_PORT for h in pushed) == 2)
        first, second = (h for h in pushed if h.transmission.f_port == SOS_PORT)
        assert first.gateway_eui != second.gateway_eui
        await until(lambda: first.transmission.phy in agents[first.gateway_eui].frames())
        await until(lambda: first.transmission.phy in agents[second.gateway_eui].frames())
        assert twin.now < 3.0


async def test_agent_that_keeps_silent_leaves_the_twin_unquiet() -> None:
    async with running() as (twin, agents, _pushed):
        for agent in agents.values():
            agent.silent = True
        await until(lambda: sum(tally.sent for tally in twin.tallies().values()) > 0)
        twin.stop_radio()
        await asyncio.sleep(0.5)
        assert not twin.quiet
        assert all(tally.acked == 0 for tally in twin.tallies().values())


async def test_acknowledgement_sent_by_udp_into_rx1_ends_the_call() -> None:
    """The agent is a small peer that answers as a network server would, by PULL_RESP."""
    async with running() as (twin, agents, pushed):
        made = make_site(SEED)
        band = twin.traffic.residents[CALLER]
        device = next(d for d in made.site.devices if d.dev_eui == band)
        keys = made.keys[band]
        assert device.dev_addr is not None
        cipher = SessionCipher(
            dev_addr=device.dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key
        )
        twin.traffic.press(CALLER, twin.now)
        twin.look_again()
        await until(lambda: any(h.transmission.f_port == SOS_PORT for h in pushed))
        call = next(h for h in pushed if h.transmission.f_port == SOS_PORT)
        agent = agents[call.gateway_eui]
        await until(lambda: call.transmission.phy in agent.frames())
        heard = agent.rxpk(call.transmission.phy)
        phy = cipher.seal_downlink(f_cnt=0, ack=True)
        txpk = {
            "tmst": (heard["tmst"] + 1_000_000) % 2**32,
            "freq": heard["freq"],
            "powe": 16,
            "modu": "LORA",
            "datr": heard["datr"],
            "codr": "4/5",
            "ipol": True,
            "size": len(phy),
            "data": base64.b64encode(phy).decode(),
        }
        node = twin.traffic.node(band)
        assert SOS_PORT in node.calls
        agent.send(b"\x02\x01\x02\x03" + json.dumps({"txpk": txpk}).encode())
        await until(lambda: SOS_PORT not in node.calls)
        (answer,) = agent.of(TX_ACK)
        assert json.loads(answer[12:]) == {"txpk_ack": {"error": "NONE"}}
        assert node.mac.memory.f_cnt_down == 1
