"""The way down over UDP: to a simulated packet forwarder, and byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
from chirpstack_api import gw

from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import Downlinks
from edge.intake import Intake
from edge.sources.semtech_udp import FORGET_S, SemtechUdp
from khaen.site.model import Position
from simulators.gateways.gateway import Gateway, Packet
from simulators.gateways.packet_forwarder import PacketForwarder
from simulators.inside.clocks import WorldClock
from tests.edge.fixtures import GATEWAY, START, FakeHost, FakeStation
from tests.edge.test_downlinks import GPS_S, Bench, make_frame, make_item, virtually
from tests.simulators.agent import until


@dataclass
class Site:
    """An agent's side and a gateway that transmits into `packets`."""

    source: SemtechUdp
    downlinks: Downlinks
    forwarder: PacketForwarder
    packets: list[Packet]
    acks: asyncio.Queue[gw.DownlinkTxAck]

    async def try_(self, *items: gw.DownlinkFrameItem) -> list[str]:
        """The statuses of what becomes of a downlink."""
        self.downlinks.take(make_frame(*items))
        async with asyncio.timeout(10):
            ack = await self.acks.get()
        return [gw.TxAckStatus.Name(item.status) for item in ack.items]


def make_station(downlinks: Downlinks) -> FakeStation:
    return FakeStation(cast("Intake", None), downlinks)  # nothing is pushed here


async def listen(source: SemtechUdp, port: int) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: source, local_addr=("127.0.0.1", port)
    )
    return transport


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    loop = asyncio.get_running_loop()
    clock, counts = WorldClock(loop, START), Counts()
    acks: asyncio.Queue[gw.DownlinkTxAck] = asyncio.Queue()

    def transmit(token: int, packet: dict[str, Any]) -> bool:
        return station.way_down(token, packet)

    made = Downlinks(
        GATEWAY,
        transmit,
        acks.put_nowait,
        Dating(clock, FakeHost(), trust=True),
        clock,
        counts,
    )
    station = make_station(made)
    source = SemtechUdp({GATEWAY: station}, clock, counts)
    transport = await listen(source, 0)
    packets: list[Packet] = []
    mast = Position(latitude=16.4, longitude=102.8)
    gateway = Gateway(GATEWAY, mast, lambda _eui, packet: packets.append(packet), satellites=False)
    began = loop.time()
    forwarder = PacketForwarder(gateway, clock, lambda: loop.time() - began)
    running = asyncio.create_task(forwarder.run(*transport.get_extra_info("sockname")[:2]))
    try:
        await until(lambda: forwarder.counts.pull_acks > 0)
        yield Site(source, made, forwarder, packets, acks)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        transport.close()
        await asyncio.sleep(0)


async def test_a_packet_is_transmitted_to_the_microsecond() -> None:
    async with site() as s:
        context = s.forwarder.gateway.counter(0.25).to_bytes(4, "big")
        s.downlinks.hear(context)
        statuses = await s.try_(make_item(5.0, context=context), make_item(6.0, context=context))
        assert statuses == ["OK", "IGNORED"]
        (packet,) = s.packets
        assert packet.at == pytest.approx(5.25, abs=1e-6)
        assert (packet.phy, packet.frequency, packet.power) == (bytes(17), 923_200_000, 16)


async def test_the_forwarder_refuses_and_the_second_window_is_tried() -> None:
    async with site() as s:
        context = s.forwarder.gateway.counter(0.0).to_bytes(4, "big")
        s.downlinks.hear(context)
        wrong = make_item(5.0, context=context, frequency=868_100_000)
        gps = make_item()
        gps.tx_info.timing.gps_epoch.time_since_gps_epoch.FromSeconds(GPS_S + 100_000_000)
        statuses = await s.try_(wrong, gps, make_item(6.0, context=context))
        assert statuses == ["TX_FREQ", "GPS_UNLOCKED", "OK"]
        assert [packet.at for packet in s.packets] == [pytest.approx(6.0, abs=1e-6)]


async def test_another_program_on_the_port_does_not_become_the_way_down() -> None:
    """Only PULL_DATA of this gateway tells where it is, and only for a minute."""
    async with site() as s:
        other = bytes.fromhex("02000002" + "ff" * 8)
        s.source.datagram_received(other, ("127.0.0.1", 9))
        s.source.datagram_received(b"\x02\0\0\0" + bytes.fromhex(GATEWAY) + b"{}", ("127.0.0.1", 9))
        assert await s.try_(make_item(None)) == ["OK"]


def test_a_forwarder_that_has_not_pulled_for_a_minute_is_not_reached() -> None:
    async def test(b: Bench) -> None:
        station = make_station(b.downlinks)
        source = SemtechUdp({GATEWAY: station}, b.clock, b.counts)
        transport = await listen(source, 1700)
        assert not station.way_down(1, {})
        source.datagram_received(b"\x02\0\0\x02" + bytes.fromhex(GATEWAY), ("127.0.0.1", 9))
        await asyncio.sleep(FORGET_S)
        assert station.way_down(1, {})
        await asyncio.sleep(1)
        assert not station.way_down(1, {})
        transport.close()

    virtually(test)


async def test_what_goes_over_the_wire_is_semtechs() -> None:
    """PROTOCOL.md, section 5.4: version, token, 0x03, JSON; the token as the bridge writes it."""

    class Wire(asyncio.DatagramTransport):
        def __init__(self) -> None:
            super().__init__()
            self.sent: list[tuple[bytes, object]] = []

        def sendto(self, data: Any, addr: object = None) -> None:
            self.sent.append((data, addr))

        def is_closing(self) -> bool:
            return False

    b, wire = Bench(), Wire()
    station = make_station(b.downlinks)
    source = SemtechUdp({GATEWAY: station}, b.clock, b.counts)
    source.connection_made(wire)
    source.datagram_received(b"\x02\0\0\x02" + bytes.fromhex(GATEWAY), ("192.0.2.1", 4000))
    assert station.way_down(0x1234, {"imme": True})
    data, address = wire.sent[-1]
    assert (data[:4], address) == (b"\x02\x34\x12\x03", ("192.0.2.1", 4000))
    assert json.loads(data[4:]) == {"txpk": {"imme": True}}
    b.downlinks.take(make_frame(make_item(None)))
    (token, _packet), *_ = b.sent
    ack = b"\x02" + token.to_bytes(2, "little") + b"\x05" + bytes.fromhex(GATEWAY)
    source.datagram_received(ack + b'{"txpk_ack":{"error":"TX_POWER"}}', ("192.0.2.1", 4000))
    assert b.statuses == ["TX_POWER"]
