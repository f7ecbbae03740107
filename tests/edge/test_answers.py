"""What the broker's answers mean: with Khaen behind it a clock, without it the proof."""

from pathlib import Path

from khaen.mqtt import Answer
from khaen.uplink import Kind
from tests.edge.fixtures import make_arrival
from tests.edge.test_forwarder import BACKLOG, UP, Bench, bench, frames


async def backlog(b: Bench) -> int:
    return (await b.writer.submit(b.writer.outbox.count)).backlog


async def test_what_grew_old_before_the_socket_took_it_goes_by_the_backlog(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3), make_arrival(priority=True))
        b.clock.advance(2.1)
        b.answer(Answer.WITHDRAWN)
        await b.forwarder.step()
        assert b.link.seqs(UP) == [4, 1, 2, 3]
        assert b.link.seqs(BACKLOG) == [4, 1, 2, 3]
        assert b.counts.refused.labels(reason="grew_old")._value.get() == 4


async def test_what_is_refused_live_goes_by_the_backlog_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(2), make_arrival(priority=True))
        b.answer(Answer.REFUSED)
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [3, 1, 2]


async def test_a_topic_that_is_refused_is_warned_of_until_it_is_taken(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(1))
        b.answer(Answer.REFUSED)
        assert list(b.warnings) == ["publish_refused"]
        await b.forwarder.step()
        await b.hear(make_arrival(b"", kind=Kind.HEARTBEAT))
        b.answer()
        assert list(b.warnings) == ["publish_refused"], "other topics are taken"
        await b.hear(*frames(1))
        b.answer()
        assert list(b.warnings) == []


async def test_the_time_that_is_left_goes_with_a_live_frame(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(*frames(1))
        b.clock.advance(1.5)
        given: list[float | None] = []
        publish = b.link.publish

        def note(*arguments: object, within: float | None = None, **more: object) -> object:
            given.append(within)
            return publish(*arguments, within=within, **more)  # type: ignore[arg-type]

        b.link.publish = note  # type: ignore[method-assign, assignment]
        b.forwarder.connect()
        assert given == [0.5]


async def test_with_khaen_behind_it_nobody_listening_proves_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer(Answer.UNHEARD)
        assert await backlog(b) == 3
        assert list(b.warnings) == []
        await b.pass_time(31)
        assert b.link.seqs(BACKLOG) == [1, 2, 3]


async def test_without_khaen_a_refusal_is_no_proof(tmp_path: Path) -> None:
    async with bench(tmp_path, puback=True) as b:
        b.forwarder.connect()
        await b.hear(*frames(2))
        b.answer(Answer.REFUSED)
        assert await backlog(b) == 2
        await b.pass_time(31)
        assert await backlog(b) == 0


async def test_without_khaen_it_is_said_aloud_and_so_is_that_nobody_listens(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, puback=True) as b:
        assert list(b.warnings) == ["puback_is_proof"]
        b.forwarder.connect()
        await b.hear(*frames(1))
        b.answer(Answer.UNHEARD)
        assert await backlog(b) == 0
        assert list(b.warnings) == ["nobody_subscribes", "puback_is_proof"]
        await b.hear(*frames(1))
        b.answer(Answer.TAKEN)
        assert list(b.warnings) == ["puback_is_proof"]
