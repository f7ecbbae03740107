"""The forwarder against a small agent that speaks the published protocol, byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from random import Random

import pytest

from edge import rxpk
from khaen.clock import SystemClock
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.region import DATA_RATES
from khaen.site.model import Position
from simulators import packet_forwarder
from simulators.device import Device, Message
from simulators.packet_forwarder import PacketForwarder, gps_milliseconds
from simulators.radio import Hearing
from tests.simulators.agent import PULL_DATA, PUSH_DATA, WAIT_S, Agent, running_agent, until

EUI = GatewayEui("024b4bfffe000001")


@contextlib.asynccontextmanager
async def running(
    told: Callable[[Hearing, float], None] = lambda _hearing, _at: None,
) -> AsyncIterator[tuple[Agent, PacketForwarder]]:
    async with running_agent() as agent:
        forwarder = PacketForwarder(
            eui=EUI,
            position=Position(latitude=16.4, longitude=102.8),
            clock=SystemClock(),
            acked=told,
        )
        task = asyncio.create_task(forwarder.run(*agent.address))
        await until(lambda: forwarder.connected)
        try:
            yield agent, forwarder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def make_hearing(f_cnt: int = 0) -> Hearing:
    device = Device(
        dev_eui=DevEui("024b4b0000000001"),
        cipher=SessionCipher(
            dev_addr=DevAddr("014b0001"), nwk_s_key=bytes(16), app_s_key=bytes(16)
        ),
        data_rate=DATA_RATES[3],
        rng=Random(1),
        f_cnt=f_cnt,
    )
    sent = device.send(Message(f_port=10, payload=b"x"), at=0.0)
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
    forwarder = PacketForwarder(
        eui=EUI, position=Position(latitude=16.4, longitude=102.8), clock=SystemClock()
    )
    with pytest.raises(OSError, match="not running"):
        forwarder.push([make_hearing()])
    assert forwarder.counts.sent == 0


def test_gps_time_of_a_known_moment() -> None:
    # 2017-01-01T00:00:00Z is GPS second 1167264018 (IERS Bulletin C 52: 18 leap seconds).
    assert gps_milliseconds(datetime(2017, 1, 1, tzinfo=UTC)) == 1_167_264_018_000
