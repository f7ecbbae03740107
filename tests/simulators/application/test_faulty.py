"""Events under faults: what passes, when, and what was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simulators.application.faulty import FaultySink
from simulators.application.form import Event
from simulators.faults.catalogue import parse_all
from simulators.faults.faults import Faults

START = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = [
    Event(START + timedelta(seconds=n), "v3/ward@ttn/devices/eui-1/up", b'{"n":%d}' % n)
    for n in range(100)
]


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.drained = 0

    async def publish(self, event: Event) -> None:
        self.events.append(event)

    async def drain(self) -> None:
        self.drained += 1


async def run(*faults: str) -> tuple[list[Event], FaultySink]:
    kept = Kept()
    sink = FaultySink(kept, Faults(parse_all(faults), 1, START, ciphers={}))
    for event in EVENTS:
        await sink.publish(event)
        await sink.drain()
    await sink.finish()
    assert kept.drained == len(EVENTS) + 1
    return kept.events, sink


async def test_without_faults_all_pass_as_they_are() -> None:
    assert (await run())[0] == EVENTS


async def test_what_is_lost_is_counted() -> None:
    passed, sink = await run("loss=0.3")
    ((_, did),) = sink.faults.tallies
    assert 0 < did.lost < 100
    assert len(passed) == 100 - did.lost
    assert [event for event in EVENTS if event in passed] == passed


async def test_what_is_held_back_comes_late_and_the_last_of_it_at_the_end() -> None:
    passed, _ = await run("delay=10s")
    assert [event.payload for event in passed] == [event.payload for event in EVENTS]
    assert [event.at for event in passed] == [e.at + timedelta(seconds=10) for e in EVENTS]


async def test_a_message_may_come_cut() -> None:
    passed, _ = await run("truncate")
    assert all(
        whole.payload.startswith(cut.payload) and cut.payload != whole.payload
        for whole, cut in zip(EVENTS, passed, strict=True)
    )
