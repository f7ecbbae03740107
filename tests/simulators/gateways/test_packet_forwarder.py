"""The forwarder against a small agent that speaks the published protocol, byte by byte."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from edge.semtech import rxpk
from khaen.clock import SystemClock
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.region import DATA_RATES
from khaen.site.model import Position
from simulators.air.radio import Hearing
from simulators.devices.device import Transmission
from simulators.gateways import packet_forwarder
from simulators.gateways.gateway import Gateway, Packet
from simulators.gateways.packet_forwarder import PacketForwarder
from simulators.gateways.semtech import gps_milliseconds
from tests.simulators.agent import (
    PULL_DATA,
    PULL_RESP,
    PUSH_DATA,
    TX_ACK,
    WAIT_S,
    Agent,
    running_agent,
    until,
)

EUI = GatewayEui("024b4bfffe000001")
MAST = Position(latitude=16.4, longitude=102.8)


@dataclass
class Air:
    """Where a gateway's packets go."""

    packets: list[Packet] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self.began

    def make(
        self, told: Callable[[Hearing, float], None] = lambda _h, _at: None
    ) -> PacketForwarder:
        gateway = Gateway(EUI, MAST, lambda _eui, packet: self.packets.append(packet))
        return PacketForwarder(gateway, SystemClock(), self.now, acked=told)


@contextlib.asynccontextmanager
async def running(
    told: Callable[[Hearing, float], None] = lambda _hearing, _at: None,
    air: Air | None = None,
) -> AsyncIterator[tuple[Agent, PacketForwarder]]:
    async with running_agent() as agent:
        forwarder = (air or Air()).make(told)
        task = asyncio.create_task(forwarder.run(*agent.address))
        await until(lambda: forwarder.connected)
        try:
            yield agent, forwarder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def make_hearing(f_cnt: int = 0) -> Hearing:
    phy = bytes((0x40, f_cnt)) + bytes(12)
    sent = Transmission(
        at=0.0,
        dev_eui=DevEui("024b4b0000000001"),
        number=f_cnt,
        f_cnt=f_cnt,
        f_port=10,
        phy=phy,
        data_rate=DATA_RATES[3],
        frequency=923_600_000,
        eirp=16.0,
        airtime=airtime(len(phy), DATA_RATES[3]),
    )
    return Hearing(gateway_eui=EUI, transmission=sent, rssi=-101, snr=-3.25)


async def test_frame_is_pushed_as_the_protocol_says_and_counted_when_acknowledged() -> None:
    told: list[Hearing] = []
    async with running(lambda hearing, _at: told.append(hearing)) as (agent, forwarder):
        hearing = make_hearing()
        forwarder.push([hearing, make_hearing(1)])
        await until(lambda: forwarder.counts.acked == 2)
        (datagram,) = agent.of(PUSH_DATA)
        assert datagram[0] == 2
        assert datagram[4:12].hex() == EUI
        first, second = json.loads(datagram[12:])["rxpk"]
        assert (first["stat"], first["modu"], first["codr"]) == (1, "LORA", "4/5")
        assert (first["datr"], first["rssi"], first["lsnr"]) == ("SF9BW125", -101, -3.25)
        assert 923.2 <= first["freq"] <= 924.6
        (reception,) = rxpk.parse(first, gateway=EUI, token=1)
        assert reception.frame.phy_payload == hearing.transmission.phy
        assert reception.frame.tx_info.frequency == hearing.transmission.frequency
        assert reception.satellite is not None
        assert abs((datetime.now(UTC) - reception.satellite).total_seconds()) < WAIT_S
        assert second["data"] != first["data"]
        assert told[0] == hearing
        assert (forwarder.counts.sent, forwarder.unanswered) == (2, 0)


async def test_way_back_is_opened_at_once() -> None:
    async with running() as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        (datagram,) = agent.of(PULL_DATA)
        assert len(datagram) == 12


async def test_statistics_are_sent_and_count_since_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packet_forwarder, "KEEPALIVE_S", 0.01)
    monkeypatch.setattr(packet_forwarder, "STAT_S", 0.02)
    async with running() as (agent, forwarder):
        forwarder.push([make_hearing(), make_hearing(1)])
        await until(lambda: len(agent.of(PUSH_DATA)) >= 4)
        documents = [json.loads(datagram[12:]) for datagram in agent.of(PUSH_DATA)]
        stats = [document["stat"] for document in documents if "stat" in document]
        assert [stat["rxok"] for stat in stats][:2] == [2, 0]
        parsed = rxpk.parse_stat(stats[0], gateway=EUI)
        assert parsed.rx_packets_received == 2
        assert parsed.HasField("time")
        assert (stats[0]["lati"], stats[0]["long"]) == (16.4, 102.8)
        assert stats[1]["ackr"] == 100.0
        assert forwarder.counts.acked == 2  # statistics are no frames


async def test_what_is_not_acknowledged_does_not_count_and_is_not_sent_twice() -> None:
    async with running() as (agent, forwarder):
        agent.silent = True
        forwarder.push([make_hearing()])
        await until(lambda: len(agent.of(PUSH_DATA)) == 1)
        agent.silent = False
        forwarder.push([make_hearing(1)])
        await until(lambda: forwarder.counts.acked == 1)
        assert len(agent.of(PUSH_DATA)) == 2
        assert (forwarder.counts.sent, forwarder.unanswered) == (2, 1)


async def test_foreign_answers_count_for_nothing() -> None:
    async with running() as (agent, forwarder):
        agent.silent = True
        forwarder.push([make_hearing()])
        for datagram in (
            b"",
            b"\x02\x00",
            b"\x01\x01\x00\x01",
            b"\x02\xff\xff\x01",
            b"\x02\0\0\x09",
        ):
            forwarder.datagram_received(datagram, ("127.0.0.1", 1))
        assert forwarder.counts.acked == 0


async def test_agent_that_is_away_costs_datagrams_only() -> None:
    async with running() as (agent, forwarder):
        agent.transport.close()
        await until(lambda: agent.closed)
        forwarder.push([make_hearing()])
        await until(lambda: forwarder.counts.errors > 0)
        forwarder.push([make_hearing(1)])
        assert forwarder.counts.acked == 0
        assert forwarder.connected


def test_nothing_is_pushed_by_a_forwarder_that_does_not_run() -> None:
    forwarder = Air().make()
    with pytest.raises(OSError, match="not running"):
        forwarder.push([make_hearing()])
    assert forwarder.counts.sent == 0


def test_gps_time_of_a_known_moment() -> None:
    # 2017-01-01T00:00:00Z is GPS second 1167264018 (IERS Bulletin C 52: 18 leap seconds).
    assert gps_milliseconds(datetime(2017, 1, 1, tzinfo=UTC)) == 1_167_264_018_000


# -- downlinks ----------------------------------------------------------------


def make_txpk(**changes: Any) -> dict[str, Any]:
    txpk = {
        "imme": False,
        "tmst": 0,
        "freq": 923.2,
        "rfch": 0,
        "powe": 16,
        "modu": "LORA",
        "datr": "SF10BW125",
        "codr": "4/5",
        "ipol": True,
        "size": 3,
        "data": base64.b64encode(b"abc").decode(),
    }
    return {key: value for key, value in (txpk | changes).items() if value is not None}


def pull_resp(document: object, token: int = 0x1234) -> bytes:
    return (
        b"\x02" + token.to_bytes(2, "little") + bytes((PULL_RESP,)) + json.dumps(document).encode()
    )


async def error_of(agent: Agent, forwarder: PacketForwarder, txpk: dict[str, Any]) -> str:
    """What TX_ACK says of a packet."""
    before = len(agent.of(TX_ACK))
    agent.send(pull_resp({"txpk": txpk}))
    await until(lambda: len(agent.of(TX_ACK)) > before)
    datagram = agent.of(TX_ACK)[-1]
    assert datagram[:4] == b"\x02\x34\x12\x05"
    assert datagram[4:12].hex() == EUI
    return str(json.loads(datagram[12:])["txpk_ack"]["error"])


async def test_packet_is_transmitted_when_the_counter_says() -> None:
    air = Air()
    async with running(air=air) as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        at = air.now() + 1.0
        tmst = forwarder.gateway.counter(at)
        assert await error_of(agent, forwarder, make_txpk(tmst=tmst)) == "NONE"
        (packet,) = air.packets
        assert (packet.phy, packet.frequency, packet.power) == (b"abc", 923_200_000, 16)
        assert packet.data_rate is DATA_RATES[2]
        assert packet.at == pytest.approx(at, abs=2e-6)
        assert (forwarder.counts.downlinks, forwarder.counts.transmitted) == (1, 1)


@pytest.mark.parametrize(
    ("ahead", "changes", "error"),
    [
        (0.01, {}, "TOO_LATE"),
        (-5.0, {}, "TOO_LATE"),
        (600.0, {}, "TOO_EARLY"),
        (1.0, {"freq": 868.1}, "TX_FREQ"),
        (1.0, {"powe": 30}, "TX_POWER"),
    ],
)
async def test_packet_that_cannot_go_is_refused_with_the_reason(
    ahead: float, changes: dict[str, Any], error: str
) -> None:
    air = Air()
    async with running(air=air) as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        tmst = round((air.now() + ahead) * 1e6) % 2**32
        assert await error_of(agent, forwarder, make_txpk(tmst=tmst, **changes)) == error
        assert air.packets == []
        assert (forwarder.counts.downlinks, forwarder.counts.transmitted) == (1, 0)


async def test_second_packet_for_the_same_time_collides() -> None:
    air = Air()
    async with running(air=air) as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        tmst = forwarder.gateway.counter(air.now() + 1.0)
        assert await error_of(agent, forwarder, make_txpk(tmst=tmst)) == "NONE"
        late = make_txpk(tmst=tmst + 100_000, datr="SF7BW125", freq=924.6)
        assert await error_of(agent, forwarder, late) == "COLLISION_PACKET"
        assert len(air.packets) == 1


async def test_gps_time_needs_satellites() -> None:
    air = Air()
    async with running(air=air) as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        soon = gps_milliseconds(datetime.now(UTC)) + 2000
        assert await error_of(agent, forwarder, make_txpk(tmst=None, tmms=soon)) == "NONE"
        assert air.packets[0].at == pytest.approx(air.now() + 2.0, abs=WAIT_S)
        forwarder.gateway.satellites = False
        assert await error_of(agent, forwarder, make_txpk(tmst=None, tmms=soon)) == "GPS_UNLOCKED"


async def test_at_once_is_soon() -> None:
    air = Air()
    async with running(air=air) as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks == 1)
        assert await error_of(agent, forwarder, make_txpk(imme=True)) == "NONE"
        assert air.packets[0].at <= air.now() + 0.1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"txpk":1}',
        json.dumps({"txpk": make_txpk(datr="SF10BW999")}).encode(),
        json.dumps({"txpk": make_txpk(data="###")}).encode(),
        json.dumps({"txpk": make_txpk(freq="x")}).encode(),
        json.dumps({"txpk": make_txpk(tmst=2**40)}).encode(),
        json.dumps({"txpk": make_txpk(modu="FSK")}).encode(),
        b"[" * 100_000,
    ],
)
def test_what_is_no_packet_is_counted_and_not_answered(body: bytes) -> None:
    air = Air()
    forwarder = air.make()
    forwarder.datagram_received(b"\x02\0\0\x03" + body, ("127.0.0.1", 1))
    assert (forwarder.counts.downlinks, forwarder.counts.errors) == (1, 1)
    assert air.packets == []


async def test_statistics_tell_of_downlinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_forwarder, "KEEPALIVE_S", 0.01)
    monkeypatch.setattr(packet_forwarder, "STAT_S", 0.02)
    async with running() as (agent, forwarder):
        await until(lambda: forwarder.counts.pull_acks > 0)
        await error_of(agent, forwarder, make_txpk(imme=True))
        await error_of(agent, forwarder, make_txpk(freq=1.0))
        count = len(agent.of(PUSH_DATA))
        await until(lambda: len(agent.of(PUSH_DATA)) >= count + 3)
        documents = [json.loads(datagram[12:]) for datagram in agent.of(PUSH_DATA)]
        stats = [document["stat"] for document in documents if "stat" in document]
        assert sum(stat["dwnb"] for stat in stats) == 2
        assert sum(stat["txnb"] for stat in stats) == 1
