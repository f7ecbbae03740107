"""The backlog goes in order, whatever is heard, cut, withdrawn, lost on the way or receipted."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from khaen.mqtt import Answer
from tests.edge.fixtures import make_arrival
from tests.edge.test_forwarder import BACKLOG, Bench, FakeLink, bench

DEVICES = 3
WINDOW, BACKLOG_WINDOW = 4, 12
HEAR = st.tuples(
    st.just("hear"),
    st.lists(st.tuples(st.integers(0, DEVICES - 1), st.booleans()), min_size=1, max_size=6),
)
STEPS = st.lists(
    st.one_of(
        HEAR,
        st.tuples(st.just("pass"), st.sampled_from([0.1, 0.7, 2.1, 31.0])),
        st.tuples(st.just("answer"), st.sampled_from([*Answer, None])),
        st.tuples(st.just("receipt"), st.integers(0, 8)),
        st.tuples(st.just("cut"), st.booleans()),
    ),
    min_size=3,
    max_size=40,
)

TAKEN, WITHDRAWN = ("answer", Answer.TAKEN), ("answer", Answer.WITHDRAWN)
OVERTAKEN = [("hear", [(0, False)] * 6), ("pass", 2.1), TAKEN, TAKEN, TAKEN, WITHDRAWN]
"""The last that went live grows old in the socket's queue, after those behind it had to be late."""


@dataclass
class Roof:
    """A forwarder and what its links were handed: (connection, mid) → (topic, device, seq)."""

    bench: Bench
    up: bool = False
    kinds: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """By seq: device, and whether it has priority."""
    withdrawn: set[tuple[int, int]] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)

    @property
    def link(self) -> FakeLink:
        return self.bench.link

    async def do(self, what: str, fact: Any) -> None:
        """One step."""
        match what:
            case "hear":
                for device, priority in fact:
                    self.kinds[len(self.kinds) + 1] = (device, priority)
                await self.bench.hear(
                    *(make_arrival(b"\x40%d" % device, priority=first) for device, first in fact)
                )
            case "pass":
                self.bench.clock.advance(fact)
            case "answer":
                self.answer(fact)
            case "receipt":
                await self.receipt(fact)
            case "cut":
                self.cut(again=fact)
        await self.bench.forwarder.step()
        self.check_bounds()

    def answer(self, answer: Answer | None) -> None:
        """Answer the oldest that is open, or lose all answers with the connection."""
        if answer is None:
            self.cut(again=True)
        elif self.link.unanswered:
            connection, mid = self.link.unanswered.pop(0)
            live = self.link.sent[mid - 1][0] != BACKLOG
            if answer is Answer.WITHDRAWN and not live:
                answer = Answer.TAKEN  # only what is live has a limit
            if answer is Answer.WITHDRAWN:
                self.withdrawn.add((connection, mid))
            elif answer.taken:
                self.arrived.add(self.seq(mid))
            self.bench.forwarder.answered(connection, mid, answer)

    def seq(self, mid: int) -> int:
        number = self.link.sent[mid - 1][1].number
        assert number is not None
        return number.seq

    async def receipt(self, lost: int) -> None:
        """Of what arrived, but for some: ingest has not come so far."""
        had = sorted(self.arrived)[: max(0, len(self.arrived) - lost)]
        missing = sorted(set(range(1, had[-1])) - set(had)) if had else []
        if had and len(missing) <= 64:
            gaps = tuple((seq, seq) for seq in missing)
            await self.bench.receive(
                self.bench.receipt(missing[0] - 1 if missing else had[-1], had[-1], missing=gaps)
            )

    def cut(self, *, again: bool) -> None:
        if self.up:
            self.bench.forwarder.disconnect()
            self.link.unanswered.clear()
            self.link.connection += 1
        self.up = again
        if again:
            self.bench.forwarder.connect()

    def check_bounds(self) -> None:
        sender = self.bench.forwarder._sender
        assert len(sender._in_flight) <= WINDOW
        assert sender.flights.late <= BACKLOG_WINDOW

    def check_order(self, marks: list[int]) -> None:
        """`marks` are how many were sent when each connection began."""
        for first, end in zip(marks, [*marks[1:], len(self.link.sent)], strict=True):
            last: dict[tuple[int, bool], int] = {}
            seen: set[int] = set()
            for mid in range(first + 1, end + 1):
                seq, late = self.seq(mid), self.link.sent[mid - 1][0] == BACKLOG
                if not late:
                    if not any(key[1] == mid for key in self.withdrawn):
                        seen.add(seq)  # it went live: what the backlog does is a second try
                    continue
                if seq not in seen:
                    seen.add(seq)
                    key = self.kinds[seq]
                    assert last.get(key, 0) < seq, f"{seq} after {last[key]} of {key}"
                    last[key] = seq


async def play(steps: list[tuple[str, Any]], folder: Path) -> None:
    async with bench(folder, window=WINDOW, backlog_window=BACKLOG_WINDOW) as b:
        roof, marks = Roof(b), [0]
        for what, fact in [("cut", True), *steps]:
            connection = b.link.connection
            sent = len(b.link.sent)
            await roof.do(what, fact)
            if b.link.connection != connection:
                marks.append(sent)
        roof.check_order(marks)
        await drain(roof)


async def drain(roof: Roof) -> None:
    """Whatever came before: in the end all of it has gone, and is settled."""
    b = roof.bench
    roof.cut(again=True)
    for _ in range(200):
        await b.pass_time(1.0, answer=False)
        while b.link.unanswered:
            roof.answer(Answer.TAKEN)
        await roof.receipt(0)
        if roof.arrived == set(roof.kinds):
            break
    assert roof.arrived == set(roof.kinds)
    await b.receive(b.receipt(len(roof.kinds)))
    assert (await b.writer.submit(b.writer.outbox.count)).backlog == 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
@example(steps=OVERTAKEN)
def test_each_devices_late_frames_go_in_order(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(steps, Path(folder)))
