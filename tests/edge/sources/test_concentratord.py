"""ChirpStack Concentratord over real ZeroMQ: frames, statistics, downlinks, strangers, silence."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge.source_settings import ConcentratordSettings
from edge.sources.concentratord import AWAY, Concentratord
from khaen.clock import Rung
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.uplink import Kind
from tests.edge.fixtures import GATEWAY
from tests.edge.sources.bench import Station, eventually, make_station
from tests.support import concentratord

PHY = b"\x40\x01\x02\x03\x04\x00\x01\x00\x01\xaa\x00\x00\x00\x00"
CONTEXT = b"\x00\x00\x10\x00"
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[concentratord.Concentratord]:
    running = concentratord.Concentratord(tmp_path, GATEWAY)
    running.start()
    yield running
    running.stop()


def settings(daemon: concentratord.Concentratord) -> ConcentratordSettings:
    return ConcentratordSettings(event_url=daemon.event_url, command_url=daemon.command_url)


@asynccontextmanager
async def listening(daemon: concentratord.Concentratord, folder: Path) -> AsyncIterator[Station]:
    async with make_station(folder) as station:
        async with Concentratord(settings(daemon), {GATEWAY: station}).listening():
            await asyncio.to_thread(daemon.await_subscriber)
            yield station
        assert station.transmitter is station.downlinks
        assert AWAY not in station.warnings


def make_frame(phy: bytes = PHY, *, gateway: str = GATEWAY) -> gw.UplinkFrame:
    frame = gw.UplinkFrame(
        phy_payload=phy,
        rx_info=gw.UplinkRxInfo(
            gateway_id=gateway, rssi=-57, snr=9.5, context=CONTEXT, crc_status=gw.CRC_OK
        ),
        tx_info=gw.UplinkTxInfo(frequency=923_200_000),
    )
    frame.rx_info.metadata["region"] = "as923"
    return frame


def make_downlink(context: bytes = CONTEXT, *, items: int = 1) -> gw.DownlinkFrame:
    frame = gw.DownlinkFrame(gateway_id=GATEWAY, downlink_id=7)
    for _ in range(items):
        item = frame.items.add(phy_payload=PHY)
        item.tx_info.context = context
        item.tx_info.timing.delay.delay.FromTimedelta(timedelta(seconds=1))
    return frame


async def test_a_frame_is_a_record_as_it_was_published(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    frame = make_frame()
    async with listening(daemon, tmp_path) as station:
        daemon.hear(frame)
        (record,) = await station.await_records(1)
    assert record.kind is Kind.LORAWAN
    assert gw.UplinkFrame.FromString(record.frame) == frame


async def test_a_satellite_s_time_is_taken(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    frame = make_frame()
    now = time.time() - 315_964_800 + 18  # 1980-01-06, and the leap seconds since
    frame.rx_info.time_since_gps_epoch.FromMilliseconds(round(now * 1000))
    async with listening(daemon, tmp_path) as station:
        daemon.hear(frame)
        (record,) = await station.await_records(1)
    assert record.instant.clock is Rung.GPS
    assert record.instant.at is not None
    assert abs(record.instant.at.timestamp() - time.time()) < 60


async def test_statistics_are_told(daemon: concentratord.Concentratord, tmp_path: Path) -> None:
    stats = gw.GatewayStats(gateway_id=GATEWAY, rx_packets_received=4, rx_packets_received_ok=3)
    async with listening(daemon, tmp_path) as station:
        daemon.publish(gw.Event(gateway_stats=stats))
        await eventually(lambda: station.stats, lambda told: told == [stats])


async def test_garbage_costs_itself(daemon: concentratord.Concentratord, tmp_path: Path) -> None:
    bad, absent = make_frame(), make_frame()
    bad.rx_info.crc_status, absent.rx_info.crc_status = gw.BAD_CRC, gw.NO_CRC
    forged = make_frame(b"\x40forged")
    forged.rx_info.metadata["khaen_seq"] = "7"
    forged.rx_info.metadata["note"] = "gatewayId"
    async with listening(daemon, tmp_path) as station:
        daemon.publish_raw(b"\xff\xff\xff")
        daemon.publish_raw(b"up", b"\xff\xff\xff")  # as before 4.5: in two frames
        daemon.publish_raw(b"")
        daemon.publish(gw.Event(mesh=gw.MeshEvent()))
        sizes, other = (make_frame(b""), make_frame(b"x" * 256)), make_frame(gateway="ff" * 8)
        for frame in (bad, absent, *sizes, other, forged):
            daemon.hear(frame)
        (record,) = await station.await_records(1)
        stored = gw.UplinkFrame.FromString(record.frame)
        assert dict(stored.rx_info.metadata) == {"region": "as923"}
        reasons = ("not_protobuf", "unknown_event", "crc_bad", "crc_absent", "no_data", "too_long",
                   "other_gateway")  # fmt: skip
        assert [station.refused(reason) for reason in reasons] == [1, 3, 1, 1, 1, 1, 1]


async def test_a_downlink_is_sent_whole_and_its_answer_told(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    daemon.statuses = [gw.TOO_EARLY, gw.OK]
    async with listening(daemon, tmp_path) as station:
        daemon.hear(make_frame())
        await station.await_records(1)
        downlink = make_downlink(items=2)
        station.transmitter.take(downlink)
        (ack,) = await eventually(lambda: station.acks, bool)
    assert daemon.downlinks == [downlink]
    assert (ack.gateway_id, ack.downlink_id) == (GATEWAY, 7)
    assert [item.status for item in ack.items] == [gw.TOO_EARLY, gw.OK]


async def test_a_status_that_is_not_known_is_an_error(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    daemon.statuses = [99]
    async with listening(daemon, tmp_path) as station:
        daemon.hear(make_frame())
        await station.await_records(1)
        station.transmitter.take(make_downlink())
        (ack,) = await eventually(lambda: station.acks, bool)
    assert [item.status for item in ack.items] == [gw.INTERNAL_ERROR]


async def test_a_downlink_that_answers_nothing_that_was_heard_is_too_late(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    async with listening(daemon, tmp_path) as station:
        station.transmitter.take(make_downlink(b"\x01\x02\x03\x04", items=2))
        (ack,) = await eventually(lambda: station.acks, bool)
    assert [item.status for item in ack.items] == [gw.TOO_LATE] * 2
    assert daemon.downlinks == []


async def test_silence_is_said_and_ends(
    daemon: concentratord.Concentratord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.concentratord._ANSWER_S", 0.1)
    monkeypatch.setattr("edge.sources.concentratord._ASK_EVERY_S", 0.1)
    async with listening(daemon, tmp_path) as station:
        daemon.hear(make_frame())
        await station.await_records(1)
        daemon.silent = True
        station.transmitter.take(make_downlink())
        (ack,) = await eventually(lambda: station.acks, bool)
        assert [item.status for item in ack.items] == [gw.INTERNAL_ERROR]
        await eventually(lambda: AWAY in station.warnings, bool)
        daemon.silent = False
        await eventually(lambda: AWAY not in station.warnings, bool)
        station.transmitter.take(make_downlink())
        acks = await eventually(lambda: station.acks, lambda told: len(told) == 2)
        assert [item.status for item in acks[1].items] == [gw.OK]


async def test_more_downlinks_than_may_wait_are_refused(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    async with listening(daemon, tmp_path) as station:
        for _ in range(65):
            station.transmitter.take(make_downlink())
        assert [item.status for item in station.acks[0].items] == [gw.QUEUE_FULL]


async def test_it_goes_away_and_comes_back(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    async with listening(daemon, tmp_path) as station:
        daemon.stop()
        daemon.start()
        await asyncio.to_thread(daemon.await_subscriber)
        daemon.hear(make_frame())
        await station.await_records(1)


async def test_it_may_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sources.concentratord._ANSWER_S", 0.1)
    late = concentratord.Concentratord(tmp_path, GATEWAY)
    async with (
        make_station(tmp_path) as station,
        Concentratord(settings(late), {GATEWAY: station}).listening(),
    ):
        assert AWAY in station.warnings
        late.start()
        try:
            await asyncio.to_thread(late.await_subscriber)
            await eventually(lambda: AWAY not in station.warnings, bool)
            late.hear(make_frame())
            await station.await_records(1)
        finally:
            late.stop()


async def test_one_of_before_4_5_is_not_run(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    daemon.gateway = GatewayEui("")  # its answer to a command of one frame is empty
    async with make_station(tmp_path) as station:
        with pytest.raises(NotRunnable, match=r"older than 4\.5"):
            async with Concentratord(settings(daemon), {GATEWAY: station}).listening():
                pass


async def test_a_stranger_s_concentrator_is_not_run(
    daemon: concentratord.Concentratord, tmp_path: Path
) -> None:
    daemon.gateway = GatewayEui("00000000000000aa")
    async with make_station(tmp_path) as station:
        with pytest.raises(NotRunnable, match=r"00000000000000aa.*\[\[gateways\]\]"):
            async with Concentratord(settings(daemon), {GATEWAY: station}).listening():
                pass


@pytest.mark.parametrize(
    ("library", "module", "remedy"),
    [
        ("zmq", "edge.sources.concentratord", "khaen[concentratord]"),
        ("serial", "edge.sources.serial_module", "khaen[edge]"),
    ],
)
def test_a_library_that_is_not_there_is_named(library: str, module: str, remedy: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from khaen.errors import NotRunnable\n"
        f"try:\n    import {module}\n"
        "except NotRunnable as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert remedy in done.stdout
