"""What every source keeps to, whatever it hears by."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from tests.edge.fixtures import GATEWAY
from tests.edge.sources.bench import eventually, make_station, refuse_disk
from tests.edge.sources.rigs import RIGS

each_source = pytest.mark.parametrize(
    "kind", [pytest.param(rig, id=name) for name, rig in RIGS.items()]
)
PHY = b"\x40\x01\x02\x03\x04\x00\x01\x00\x01\xaa\x00\x00\x00"


def payloads(count: int) -> list[bytes]:
    return [PHY + bytes([index]) for index in range(count)]


@each_source
async def test_what_it_heard_is_one_durable_record_each(kind: Any, tmp_path: Path) -> None:
    async with make_station(tmp_path) as station, kind.listening(tmp_path, station) as rig:
        for payload in payloads(20):
            await rig.say(payload)
        records = await station.await_records(20)
        assert await station.payloads() == payloads(20)
        for record in records:
            frame = gw.UplinkFrame.FromString(record.frame)
            assert (record.kind, frame.rx_info.gateway_id) == (rig.kind, GATEWAY)
        if rig.acknowledges:
            await eventually(rig.acknowledged, lambda count: count == 20)


@each_source
async def test_nothing_is_acknowledged_before_it_is_on_disk(kind: Any, tmp_path: Path) -> None:
    async with make_station(tmp_path) as station, kind.listening(tmp_path, station) as rig:
        slow_disk = threading.Event()
        station.writer.post(slow_disk.wait, patience=0)
        await rig.say(PHY)
        await asyncio.sleep(0.2)
        assert await rig.acknowledged() == 0
        slow_disk.set()
        await station.await_records(1)
        if rig.acknowledges:
            await eventually(rig.acknowledged, lambda count: count == 1)


@each_source
async def test_what_is_only_in_memory_is_not_acknowledged(kind: Any, tmp_path: Path) -> None:
    refuse_disk(tmp_path)
    async with make_station(tmp_path) as station, kind.listening(tmp_path, station) as rig:
        await rig.say(PHY)
        await station.await_records(1)
        await eventually(lambda: station.refused("not_durable"), lambda count: count == 1)
        assert await rig.acknowledged() == 0


@each_source
async def test_garbage_costs_itself(kind: Any, tmp_path: Path) -> None:
    async with make_station(tmp_path) as station, kind.listening(tmp_path, station) as rig:
        await rig.say(payloads(2)[0])
        await rig.garble()
        await rig.say(payloads(2)[1])
        await station.await_records(2)
        await asyncio.sleep(0.1)
        assert await station.payloads() == payloads(2)


@each_source
async def test_a_far_side_that_goes_away_costs_little_and_is_heard_again(
    kind: Any, tmp_path: Path
) -> None:
    async with make_station(tmp_path) as station, kind.listening(tmp_path, station) as rig:
        await rig.leave()
        began, busy = time.monotonic(), time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - busy < 0.5 * (time.monotonic() - began)
        await rig.come_back()
        await rig.say(PHY)
        await station.await_records(1)


@each_source
async def test_it_ends_whatever_goes_on(kind: Any, tmp_path: Path) -> None:
    """That it leaves no task, thread or socket is for the fixtures to find."""
    async with make_station(tmp_path) as station:
        async with kind.listening(tmp_path, station) as rig:
            for payload in payloads(5):
                await rig.say(payload)
        async with kind.listening(tmp_path, station) as rig:
            await rig.leave()
        assert not list(station.warnings)


@each_source
async def test_it_is_ended_by_a_cancellation(kind: Any, tmp_path: Path) -> None:
    async with make_station(tmp_path) as station:
        begun = asyncio.Event()

        async def hear() -> None:
            async with kind.listening(tmp_path, station):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hear())
        await eventually(lambda: begun.is_set() or task.done(), bool)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
