"""Receipts as the contract has them, seen by what the agent then sends (docs/wire.md)."""

from datetime import timedelta
from pathlib import Path

from khaen.receipt import EpochReceipt
from tests.edge.fixtures import START, make_arrival, make_receipt
from tests.edge.test_forwarder import BACKLOG, Bench, bench, frames


async def backlog(b: Bench) -> int:
    return (await b.writer.submit(b.writer.outbox.count)).backlog


async def test_a_priority_frame_goes_again_at_5_15_35_75_and_then_each_60_seconds(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(make_arrival(priority=True))
        b.answer()
        begun, at = b.clock.monotonic(), list[float]()
        while b.clock.monotonic() - begun < 260:
            await b.pass_time(0.5)
            at += [b.clock.monotonic() - begun] * (len(b.link.sent) - 1 - len(at))
        waits = [later - sooner for sooner, later in zip([0.0, *at], at, strict=False)]
        # It is looked at each half second.
        assert [round(wait / 5) * 5 for wait in waits] == [5, 10, 20, 40, 60, 60, 60]
        assert set(b.link.seqs(BACKLOG)) == {1}


async def test_a_new_connection_of_ingest_begins_the_clocks_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(make_arrival(priority=True))
        b.answer()
        await b.receive(b.receipt(0))
        await b.pass_time(40)
        tries = len(b.link.sent)
        assert tries == 4, "its next would be forty seconds after the last"
        await b.receive(b.receipt(0, since=START + timedelta(minutes=1)))
        await b.pass_time(6)
        assert len(b.link.sent) == tries + 1


async def test_a_gap_hastens_what_the_broker_took_five_seconds_ago(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(1))
        b.answer()
        b.clock.advance(4.9)
        await b.hear(*frames(1))
        b.answer()
        b.clock.advance(0.2)
        await b.receive(b.receipt(0, 2, missing=((1, 2),)))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [1], "the second is on its way still"


async def test_above_upto_nothing_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(6))
        b.answer()
        b.clock.advance(6)
        await b.receive(b.receipt(1, 4, missing=((2, 3),)))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [2, 3], "of 5 and 6 nothing is known"
        assert await backlog(b) == 4


async def test_another_site_resets_and_hastens_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(2))
        b.answer()
        b.clock.advance(6)
        later = START + timedelta(hours=1)
        await b.receive(b.receipt(0, 2, missing=((1, 2),), site="another", since=later))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == []


async def test_an_epoch_of_another_outbox_is_passed_over(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(2))
        b.answer()
        own = b.writer.outbox.present
        stranger = EpochReceipt.model_validate({"epoch": "f" * 16, "watermark": 9, "upto": 9})
        mine = EpochReceipt(epoch=own, watermark=1, upto=1)
        await b.receive(make_receipt(stranger, mine))
        assert await backlog(b) == 1
        assert b.writer.outbox.present == own


async def test_a_receipt_counts_again_after_a_reconnect(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(2))
        b.forwarder.disconnect()
        b.link.connection = 2
        b.forwarder.connect()
        await b.receive(b.receipt(2))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [3]
