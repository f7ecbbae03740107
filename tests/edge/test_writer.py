"""The thread that owns the outbox."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.outbox.writer import Writer
from khaen.errors import StoreUnavailable
from tests.edge.fixtures import make_arrival, make_outbox


async def test_a_group_is_one_transaction_and_urgency_ends_it(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=100)
    groups: list[int] = []
    run = writer.outbox.run

    def watch(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        groups.append(len(jobs))
        return run(jobs)

    writer.outbox.run = watch  # type: ignore[method-assign]
    append = partial(writer.outbox.append, [make_arrival()])
    begun = time.monotonic()
    patient = [writer.submit(append, patience=60) for _ in range(5)]
    urgent = writer.submit(append)
    stored = await asyncio.gather(*patient, urgent)
    assert time.monotonic() - begun < 5
    assert groups == [6]
    assert [s.records[0].number.seq for s in stored] == [1, 2, 3, 4, 5, 6]
    await writer.close()


async def test_patience_has_an_end(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=100)
    stored = await asyncio.wait_for(
        writer.submit(partial(writer.outbox.append, [make_arrival()]), patience=0.01), 5
    )
    assert stored.durable
    await writer.close()


async def test_a_job_that_fails_costs_itself_only(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=100)
    append = partial(writer.outbox.append, [make_arrival()])

    def fail() -> None:
        raise ZeroDivisionError

    first, bad, last = (
        writer.submit(append, patience=60),
        writer.submit(fail, patience=60),
        writer.submit(append),
    )
    assert (await first).records[0].number.seq == 1
    assert (await last).records[0].number.seq == 2
    with pytest.raises(ZeroDivisionError):
        await bad
    await writer.close()


async def test_what_waits_is_bounded_and_done_before_the_end(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=3)
    gate, running = threading.Event(), threading.Event()

    def hold() -> bool:
        running.set()
        return gate.wait(10)

    held = writer.submit(hold)
    append = partial(writer.outbox.append, [make_arrival()])
    started = await asyncio.to_thread(running.wait, 5)
    assert started
    waiting = [writer.submit(append, patience=60) for _ in range(3)]
    with pytest.raises(StoreUnavailable):
        writer.post(append)
    gate.set()
    await writer.close()
    assert held.result() is True
    assert all(future.result().durable for future in waiting)
    with pytest.raises(StoreUnavailable):
        writer.post(append)


async def test_what_waits_is_measured_by_its_size(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=10)
    await writer.submit(lambda: None, size=10)
    wait = partial(writer.submit, lambda: None, patience=60)
    waiting = [wait(size=4), wait(size=6)]
    with pytest.raises(StoreUnavailable):
        writer.post(lambda: None)
    await writer.close()
    assert all(future.done() for future in waiting)


async def test_what_is_larger_than_all_that_may_wait_is_taken_alone(tmp_path: Path) -> None:
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite"), limit=10)
    alone = writer.submit(lambda: None, patience=60, size=11)
    with pytest.raises(StoreUnavailable):
        writer.post(lambda: None)
    await writer.close()
    assert alone.done()
