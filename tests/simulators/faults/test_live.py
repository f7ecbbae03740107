"""Faults between a forwarder and an agent: what is held back passes by the loop's clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from khaen.clock import SystemClock
from khaen.site.model import Position
from simulators.faults.catalogue import parse_all
from simulators.faults.faults import Faults
from simulators.faults.live import FaultyRoad
from simulators.gateways.gateway import Gateway
from simulators.gateways.packet_forwarder import PacketForwarder
from tests.simulators.agent import PULL_DATA, running_agent, until
from tests.simulators.faults.stream import NEAR


class Road:
    """What passed, and when somebody waits for the next."""

    def __init__(self, *faults: str) -> None:
        clock = SystemClock()
        start = clock.now() - timedelta(seconds=1)
        self.passed: asyncio.Queue[bytes] = asyncio.Queue(10)
        self.tried = asyncio.Event()
        self.broken = False
        self.faulty = FaultyRoad(Faults(parse_all(faults), 1, start), start, clock, self._transmit)

    def _transmit(self, datagram: bytes) -> None:
        self.tried.set()
        if self.broken:
            raise OSError("gone")
        self.passed.put_nowait(datagram)


async def test_what_no_fault_touches_passes_at_once() -> None:
    road = Road("loss,from=1h")
    road.faulty.send(b"one")

    assert road.passed.get_nowait() == b"one"


async def test_what_is_delayed_passes_later_in_its_order() -> None:
    road = Road("delay=50ms")
    for datagram in (b"one", b"two", b"three"):
        road.faulty.send(datagram)
    assert road.passed.empty()

    async with asyncio.timeout(20):
        assert [await road.passed.get() for _ in range(3)] == [b"one", b"two", b"three"]


async def test_a_closed_road_sends_nothing_any_more() -> None:
    road = Road("delay=10ms")
    road.faulty.send(b"one")
    road.faulty.close()
    await asyncio.sleep(0.05)

    assert road.passed.empty()


async def test_a_late_datagram_that_finds_no_road_is_counted() -> None:
    road = Road("delay=10ms")
    road.faulty.send(b"one")
    road.broken = True
    async with asyncio.timeout(20):
        await road.tried.wait()

    assert road.faulty.failed == 1


async def test_a_forwarder_s_datagrams_pass_to_an_agent_over_a_faulty_road() -> None:
    clock = SystemClock()
    start = clock.now() - timedelta(seconds=1)
    async with running_agent() as agent:
        forwarder = PacketForwarder(
            Gateway(NEAR, Position(latitude=16.4, longitude=102.8), lambda _eui, _packet: None),
            clock,
            clock.monotonic,
        )
        faults = Faults(parse_all(["duplicate=1", "delay=20ms"]), 1, start)
        forwarder.road = FaultyRoad(faults, start, clock, forwarder.transmit).send
        async with asyncio.timeout(20):
            task = asyncio.create_task(forwarder.run(*agent.address))
            await until(lambda: len(agent.of(PULL_DATA)) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(set(agent.of(PULL_DATA))) == 1
