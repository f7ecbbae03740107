"""What leaves the agent, by which topic and when: a fake connection, a clock that is moved."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from edge.counts import Counts
from edge.dating import Dating
from edge.encoding import Encoding
from edge.forwarding import forwarder
from edge.forwarding.forwarder import Forwarder
from edge.outbox.outbox import Outbox
from edge.outbox.writer import Writer
from edge.record import Arrival
from edge.settings import EdgeSettings, ForwardSettings
from edge.warnings import Warnings
from khaen import topics
from khaen.clock import ManualClock, Rung
from khaen.mqtt import Answer
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Kind, Origin
from khaen.wire import Heard, parse
from tests.edge.fixtures import BOUNDS, GATEWAY, START, FakeHost, make_arrival, make_receipt

UP, LIVE, BACKLOG = topics.up("as923", GATEWAY), topics.live(GATEWAY), topics.backlog(GATEWAY)


@dataclass
class FakeLink:
    """A connection that takes everything, and acknowledges when it is told to."""

    sent: list[tuple[str, Heard, float | None]] = field(default_factory=list)
    unanswered: list[tuple[int, int]] = field(default_factory=list)
    connection: int = 1
    dropped: int = 0
    largest: int = 1 << 28
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        expiry: float | None = None,
        within: float | None = None,
    ) -> tuple[int, int]:
        assert qos == 1
        assert (expiry is None) is (within is None) is (topic == BACKLOG)
        assert within is None or 0 <= within <= 3, "only what is live is handed over as such"
        answer = self.connection, len(self.sent) + 1
        self.sent.append((topic, parse(GATEWAY, payload), expiry))
        self.unanswered.append(answer)
        self.told.set()
        return answer

    def drop(self) -> None:
        self.dropped += 1

    async def wait_for(self, count: int) -> None:
        """Return when so many were sent."""
        while len(self.sent) < count:
            self.told.clear()
            await self.told.wait()

    def seqs(self, topic: str) -> list[int]:
        return [heard.number.seq for t, heard, _ in self.sent if t == topic and heard.number]


@dataclass
class Bench:
    """A forwarder on a real outbox."""

    clock: ManualClock
    host: FakeHost
    link: FakeLink
    writer: Writer
    forwarder: Forwarder
    counts: Counts
    dating: Dating
    warnings: Warnings

    async def hear(self, *arrivals: Arrival, offer: bool = True) -> None:
        now = self.clock.monotonic()
        heard = [replace(arrival, heard=now) for arrival in arrivals]
        stored = await self.writer.submit(partial(self.writer.outbox.append, heard))
        if offer:
            self.forwarder.offer(stored, heard)

    async def hear_without_clock(self, *, priority: bool = False) -> None:
        instant = replace(make_arrival().instant, at=None, clock=None, boot_us=self.host.boot_us())
        await self.hear(replace(make_arrival(priority=priority), instant=instant))

    def answer(self, answer: Answer = Answer.TAKEN) -> None:
        unanswered, self.link.unanswered = self.link.unanswered, []
        for connection, mid in unanswered:
            self.forwarder.answered(connection, mid, answer)

    async def pass_time(self, seconds: float, *, answer: bool = True) -> None:
        """Let time pass in steps, as the forwarder's task would see it."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.clock.advance(min(0.5, end - self.clock.monotonic()))
            await self.forwarder.step()
            if answer:
                self.answer()

    async def receive(self, receipt: Receipt, *, retained: bool = False) -> None:
        self.forwarder.receive(receipt, retained=retained)
        await self.writer.submit(self.writer.outbox.count)  # after the receipt was obeyed

    def receipt(self, watermark: int, upto: int | None = None, **facts: Any) -> Receipt:
        missing = facts.pop("missing", ())
        entry = EpochReceipt(
            epoch=self.writer.outbox.present,
            watermark=watermark,
            upto=watermark if upto is None else upto,
            missing=missing,
        )
        return make_receipt(entry, **facts)


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    true: bool = True,
    encoding: Encoding = Encoding.PROTOBUF,
    **forward: Any,
) -> AsyncIterator[Bench]:
    clock = ManualClock(START)
    host = FakeHost(clock=clock, true=true)
    dating = Dating(clock, host, trust=False)
    outbox = Outbox(
        folder / "outbox.sqlite",
        gateway=GATEWAY,
        origin=Origin.RADIO,
        clock=clock,
        host=host,
        dating=dating,
        bounds=BOUNDS,
    )
    settings = EdgeSettings(
        gateway_eui=GATEWAY,
        site="kk",
        encoding=encoding,
        forward=ForwardSettings(**({"backlog_rate": 100_000} | forward)),
    )
    writer, link, counts = Writer(outbox, limit=1000), FakeLink(), Counts()
    warnings = Warnings()
    forwarder = Forwarder(settings, writer, link, dating, clock, counts, warnings)
    try:
        yield Bench(clock, host, link, writer, forwarder, counts, dating, warnings)
    finally:
        await writer.close()


def frames(count: int, **facts: Any) -> Sequence[Arrival]:
    return [make_arrival(b"\x40frame %d" % i, **facts) for i in range(count)]


async def test_what_is_fresh_goes_live_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(make_arrival(), make_arrival(b"", kind=Kind.HEARTBEAT))
        (up, frame, expiry), (live, heartbeat, _) = b.link.sent
        assert (up, live, expiry) == (UP, LIVE, 2.0)
        assert frame.number is not None
        assert (frame.number.seq, frame.clock, frame.at) == (1, Rung.SYNCED, START)
        assert heartbeat.kind is Kind.HEARTBEAT


async def test_priority_overtakes_what_waits_for_the_window(tmp_path: Path) -> None:
    async with bench(tmp_path, window=2) as b:
        b.forwarder.connect()
        await b.hear(*frames(4), make_arrival(priority=True))
        assert b.link.seqs(UP) == [5, 1]
        b.answer()
        assert b.link.seqs(UP) == [5, 1, 2, 3]


async def test_two_seconds_later_it_is_late(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(make_arrival(), make_arrival(live_s=3.0))
        b.clock.advance(2.5)
        b.forwarder.connect()
        await b.forwarder.step()
        assert b.link.seqs(UP) == [2], "a join is live for three seconds"
        assert b.link.seqs(BACKLOG) == [1]
        assert b.link.sent[-1][2] is None, "what is late does not expire"


async def test_a_reconnect_sends_all_again_in_order_priority_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.hear(*frames(2, priority=True))
        b.forwarder.disconnect()
        b.link.sent.clear()
        await b.pass_time(3)
        assert not b.link.sent
        b.link.connection = 2
        b.forwarder.connect()
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [4, 5, 1, 2, 3]


async def test_an_answer_of_the_last_connection_says_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(make_arrival())
        b.forwarder.disconnect()
        b.link.connection = 2
        b.forwarder.connect()
        await b.forwarder.step()
        b.forwarder.answered(1, 1, Answer.TAKEN)
        await b.pass_time(40, answer=False)
        assert b.link.dropped, "the second one was never answered: the connection is stuck"


async def test_without_receipt_it_goes_again_by_its_clock(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(make_arrival(priority=True), make_arrival())
        b.answer()
        await b.pass_time(4.5)
        assert b.link.seqs(BACKLOG) == []
        await b.pass_time(1)
        assert b.link.seqs(BACKLOG) == [1]
        await b.pass_time(10)
        assert b.link.seqs(BACKLOG) == [1, 1]
        await b.pass_time(15)
        assert b.link.seqs(BACKLOG) == [1, 1, 2]


async def test_the_brokers_word_is_no_proof_but_a_receipt_is(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(1, 3, missing=((2, 2),)))
        assert (await b.writer.submit(b.writer.outbox.count)).waiting == ((2, 2),)
        await b.pass_time(31)
        assert b.link.seqs(BACKLOG) == [2]


async def test_another_site_is_not_obeyed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        await b.receive(b.receipt(3, site="another"))
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 3


async def test_going_backwards_is_ignored_within_a_ledger(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(2))
        b.clock.advance(6)
        await b.receive(b.receipt(0, 3, missing=((3, 3),)))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [], "the older word hastens nothing"


async def test_a_gap_that_is_split_brings_the_end_back_and_is_obeyed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(256))
        while len(b.link.sent) < 256:
            b.answer()
        gaps = tuple((first, first + 2) for first in range(1, 256, 4))
        await b.receive(b.receipt(0, 256, missing=gaps))
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 256 - 64
        split = ((1, 1), (3, 3), *gaps[1:-1])
        await b.receive(b.receipt(0, 252, missing=split))
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 256 - 64 - 1


async def test_a_new_ledger_gets_everything_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(3))
        await b.receive(b.receipt(1, ledger="restored"))
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [2, 3]


async def test_a_new_ledger_wakes_a_forwarder_that_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "_CALM_S", 3600.0)
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(3))
        task = asyncio.create_task(b.forwarder.run())
        for _ in range(10):
            await b.writer.submit(b.writer.outbox.count)  # turns in which it finds nothing to do
        assert b.forwarder._pause() == 3600.0
        async with asyncio.timeout(30):
            await b.receive(b.receipt(1, ledger="restored"))
            await b.link.wait_for(5)
        task.cancel()
        await asyncio.wait({task})
        assert b.link.seqs(BACKLOG) == [2, 3]


async def test_a_conflict_brings_new_numbers(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        old = b.writer.outbox.present
        clash = EpochReceipt(epoch=old, watermark=3, upto=3, conflict=True)
        await b.receive(make_receipt(clash))
        await b.forwarder.step()
        late = [heard for topic, heard, _ in b.link.sent if topic == BACKLOG]
        new = b.writer.outbox.present
        assert new != old
        assert [(h.number.epoch, h.number.seq, h.kind) for h in late if h.number] == [
            (new, 1, Kind.LORAWAN),
            (new, 2, Kind.LORAWAN),
            (new, 3, Kind.LORAWAN),
            (old, 4, Kind.GONE),
        ]
        assert late[-1].payload == b'{"reason":"released","ranges":[[1,3]]}'


@pytest.mark.parametrize(
    ("connections", "retained", "another"), [(1, True, True), (1, False, False), (2, True, False)]
)
async def test_numbers_that_were_settled_before_they_were_given_are_another_lifes(
    tmp_path: Path, connections: int, retained: bool, another: bool
) -> None:
    """Nobody can have had a receipt for them before our first connection."""
    async with bench(tmp_path) as b:
        old = b.writer.outbox.present
        await b.hear(*frames(3))
        for number in range(connections):
            if number:
                b.forwarder.disconnect()
            b.forwarder.connect()
            await b.forwarder.step()
        await b.receive(b.receipt(3), retained=retained)
        assert (b.writer.outbox.present != old) is another
        counts = await b.writer.submit(b.writer.outbox.count)
        assert counts.backlog == (4 if another else 0), (
            "three frames, and the word of their numbers"
        )


@pytest.mark.parametrize("retained", [True, False])
async def test_a_clone_that_spoke_while_we_were_away_settles_nothing_of_ours(
    tmp_path: Path, retained: bool
) -> None:
    """Of 4 to 23 nobody has heard from us: whoever settled 4 to 13 had them from another."""
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        await b.receive(b.receipt(3))
        b.forwarder.disconnect()
        await b.hear(*frames(20), offer=False)
        old, b.link.connection = b.writer.outbox.present, 2
        b.forwarder.connect()
        await b.receive(b.receipt(13), retained=retained)
        await b.pass_time(20)
        assert b.writer.outbox.present != old
        sent = {h.number for t, h, _ in b.link.sent if t == BACKLOG and h.kind is Kind.LORAWAN}
        assert {n.seq for n in sent if n and n.epoch != old} == set(range(1, 21))


async def test_an_image_that_was_put_back_is_another_life_even_where_ingest_speaks_later(
    tmp_path: Path,
) -> None:
    """3 numbers are in the image, another life came to 10; nothing of ours was sent yet."""
    async with bench(tmp_path) as b:
        await b.hear(*frames(3))
    async with bench(tmp_path) as b:
        await b.hear(*frames(20), offer=False)
        old = b.writer.outbox.present
        b.forwarder.connect()
        await b.receive(b.receipt(10))
        assert b.writer.outbox.present != old
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 24


async def test_numbers_of_an_earlier_run_may_be_known(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(*frames(3))
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.receive(b.receipt(3), retained=True)
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 0


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_retained_receipt_may_overtake_the_grant_of_its_subscription(
    tmp_path: Path, restarted: bool
) -> None:
    """Of three numbers that went in the last connection, or in an earlier run."""
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.forwarder.disconnect()
        if not restarted:
            await receive_early(b)
    if restarted:
        async with bench(tmp_path) as b:
            await receive_early(b)


async def receive_early(b: Bench) -> None:
    """Receive what settles three numbers, and connect only then."""
    present = b.writer.outbox.present
    await b.receive(b.receipt(3), retained=True)
    b.forwarder.connect()
    assert b.writer.outbox.present == present
    assert (await b.writer.submit(b.writer.outbox.count)).backlog == 0


async def damage(b: Bench, change: str) -> None:
    """Have a card change something of the record with number 3."""

    def write() -> None:
        shelf, seq = b.writer.outbox._shelf, 3
        shelf.db.execute(f"UPDATE record SET {change} WHERE seq = ?", (seq,))

    await b.writer.submit(write)


@pytest.mark.parametrize(
    "change",
    [
        "frame = x'0aff01'",
        "kind = 'lorawao'",
        "origin = ''",
        "clock = 'gpt'",
        "heard_at = heard_at | 1 << 62",
        "device = cast(x'ff' AS TEXT)",
    ],
)
@pytest.mark.parametrize("priority", [False, True])
async def test_a_record_that_nobody_can_read_stops_nothing_and_is_declared_damaged(
    tmp_path: Path, change: str, priority: bool
) -> None:
    async with bench(tmp_path) as b:
        await b.hear(*frames(5, priority=priority), offer=False)
        await damage(b, change)
        b.forwarder.connect()
        await b.pass_time(1)
        assert b.link.seqs(BACKLOG)[:4] == [1, 2, 4, 5]
        while await b.writer.submit(b.writer.outbox.prune):
            pass
        await b.pass_time(6)
        gone = b.link.sent[4][1]
        assert (gone.kind, gone.payload) == (Kind.GONE, b'{"reason":"damaged","ranges":[[3,3]]}')
        assert gone.number is not None
        assert gone.number.seq == 6
        assert b.writer.outbox.damaged == 1
        await b.receive(b.receipt(6))
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 0


async def test_what_is_damaged_after_it_was_sent_is_not_sent_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.forwarder.connect()
        await b.hear(*frames(5))
        b.answer()
        await damage(b, "frame = x'0aff01'")
        await b.pass_time(31)
        while await b.writer.submit(b.writer.outbox.prune):
            pass
        await b.pass_time(6)
        assert b.link.seqs(BACKLOG) == [1, 2, 4, 5, 6]
        await b.receive(b.receipt(6))
        assert b.writer.outbox.damaged == 1


async def test_what_cannot_be_written_for_the_network_server_goes_by_the_backlog(
    tmp_path: Path,
) -> None:
    """JSON has no word for a time that protobuf's sixty-four bits have."""
    async with bench(tmp_path, encoding=Encoding.JSON) as b:
        odd = gw.UplinkFrame.FromString(make_arrival().frame)
        odd.rx_info.gw_time.seconds = 1 << 60
        b.forwarder.connect()
        await b.hear(replace(make_arrival(), frame=odd.SerializeToString()), make_arrival())
        await b.pass_time(1)
        assert (b.link.seqs(UP), b.link.seqs(BACKLOG)) == ([2], [1])


@pytest.mark.parametrize("offer", [True, False])
async def test_what_is_larger_than_the_broker_takes_waits_and_the_rest_passes_it(
    tmp_path: Path, offer: bool
) -> None:
    async with bench(tmp_path) as b:
        b.link.largest = 1000
        b.forwarder.connect()
        await b.hear(make_arrival(bytes(2000)), *frames(3), offer=offer)
        await b.pass_time(31)
        sent = {heard.number.seq for _, heard, _ in b.link.sent if heard.number}
        assert sent == {2, 3, 4}
        assert list(b.warnings) == ["message_too_large"]
        await b.receive(b.receipt(0, 4, missing=((1, 1),)))
        b.forwarder.disconnect()
        b.link.connection, b.link.largest = 2, 3000
        b.forwarder.connect()
        await b.pass_time(1)
        assert b.link.seqs(BACKLOG)[-1] == 1
        assert list(b.warnings) == []


async def test_what_ends_each_connection_is_passed_in_the_end(tmp_path: Path) -> None:
    """The broker does not say how much it takes."""
    async with bench(tmp_path) as b:
        await b.hear(make_arrival(bytes(9000)), *frames(3), offer=False)
        for connection in range(1, 5):
            b.link.connection, b.link.unanswered = connection, []
            b.link.sent.clear()
            b.forwarder.connect()
            await b.forwarder.step()
            assert (1 in b.link.seqs(BACKLOG)) is (connection < 4)
            b.forwarder.disconnect()
        assert b.link.seqs(BACKLOG) == [2, 3, 4]
        assert list(b.warnings) == ["message_too_large"]


async def test_what_was_passed_is_tried_again_when_its_bound_is_believed_no_more(
    tmp_path: Path,
) -> None:
    """In the same connection, however long that lasts."""
    async with bench(tmp_path) as b:
        await b.hear(make_arrival(bytes(9000)), *frames(3), offer=False)
        await b.hear(make_arrival(bytes(9000), priority=True), offer=False)
        for connection in range(1, 8):
            b.link.connection, b.link.unanswered = connection, []
            b.link.sent.clear()
            b.forwarder.connect()
            await b.forwarder.step()
            if b.link.seqs(BACKLOG) == [2, 3, 4]:
                break
            b.forwarder.disconnect()
        b.answer()
        await b.receive(b.receipt(0, 4, missing=((1, 1),)))
        await b.pass_time(3590)
        assert b.link.seqs(BACKLOG) == [2, 3, 4]
        assert list(b.warnings) == ["message_too_large"]
        await b.pass_time(11)
        assert b.link.seqs(BACKLOG) == [2, 3, 4, 5, 1]
        assert list(b.warnings) == []


async def test_numbers_that_change_end_no_connection(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(make_arrival(bytes(9000)), offer=False)
        b.forwarder.connect()
        for ledger in ("first", "second", "third", "fourth"):
            await b.receive(b.receipt(0, ledger=ledger))
            await b.forwarder.step()
        assert b.writer.outbox.generation >= 3
        b.link.sent.clear()
        b.forwarder.disconnect()
        b.link.connection = 2
        b.forwarder.connect()
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [1], "one connection says nothing of what is too large"


async def test_late_frames_keep_to_their_window_and_leave_room_for_alarms(tmp_path: Path) -> None:
    async with bench(tmp_path, backlog_window=16) as b:
        await b.hear(*frames(40), offer=False)
        b.forwarder.connect()
        await b.pass_time(5)
        assert b.link.seqs(BACKLOG) == list(range(1, 13))
        await b.hear(*frames(9, priority=True), offer=False)
        b.forwarder.disconnect()
        b.forwarder.connect()
        b.link.sent.clear()
        await b.pass_time(2)
        assert b.link.seqs(BACKLOG)[:9] == list(range(41, 50))
        assert len(b.link.seqs(BACKLOG)) == 16
        await b.receive(b.receipt(0, 49, missing=((1, 40),)))
        await b.pass_time(0.5)
        assert b.link.seqs(BACKLOG)[16:] == list(range(8, 13)), "nine left, five may follow"


async def test_late_frames_take_half_of_the_window_at_most(tmp_path: Path) -> None:
    async with bench(tmp_path, window=8) as b:
        await b.hear(*frames(40), offer=False)
        b.forwarder.connect()
        await b.forwarder.step()
        assert len(b.link.sent) == 4
        await b.hear(make_arrival())
        assert b.link.seqs(UP) == [41]


async def test_the_backlog_keeps_its_rate(tmp_path: Path) -> None:
    async with bench(tmp_path, backlog_rate=10.0) as b:
        await b.hear(*frames(40), offer=False)
        b.forwarder.connect()
        await b.pass_time(2)
        assert len(b.link.sent) <= 20


async def test_what_the_broker_refuses_is_tried_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(make_arrival(priority=True), offer=False)
        b.forwarder.connect()
        await b.forwarder.step()
        b.answer(Answer.REFUSED)
        await b.pass_time(4.5, answer=False)
        assert b.link.seqs(BACKLOG) == [1]
        await b.pass_time(1)
        assert b.link.seqs(BACKLOG) == [1, 1]


async def test_without_khaen_behind_the_broker_its_word_may_count(tmp_path: Path) -> None:
    async with bench(tmp_path, puback=True) as b:
        b.forwarder.connect()
        await b.hear(*frames(3))
        b.answer()
        assert (await b.writer.submit(b.writer.outbox.count)).backlog == 0


async def test_a_drained_backlog_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.hear(*frames(3), offer=False)
        b.forwarder.connect()
        await b.pass_time(1)
        assert not b.forwarder.drained.is_set()
        await b.receive(b.receipt(3))
        await b.forwarder.step()
        assert b.forwarder.drained.is_set()


async def test_a_frame_without_clock_is_dated_by_its_boot(tmp_path: Path) -> None:
    async with bench(tmp_path, true=False) as b:
        await b.hear_without_clock()
        b.clock.advance(5)
        b.forwarder.connect()
        await b.forwarder.step()
        assert not b.link.sent, "it waits: its date may still become better"
        object.__setattr__(b.host, "true", True)
        await b.pass_time(2)
        ((_, heard, _),) = b.link.sent
        assert (heard.clock, heard.at) == (Rung.BOOT, START)


async def test_a_minute_is_long_enough_and_priority_never_waits(tmp_path: Path) -> None:
    async with bench(tmp_path, true=False) as b:
        await b.hear(make_arrival(at=START - timedelta(days=2)), offer=False)
        await b.hear_without_clock()
        await b.hear_without_clock(priority=True)
        b.clock.advance(5)
        b.forwarder.connect()
        await b.forwarder.step()
        assert b.link.seqs(BACKLOG) == [3, 1]
        await b.pass_time(61)
        assert b.link.seqs(BACKLOG)[-1] == 2
        heard = b.link.sent[-1][1]
        assert (heard.clock, heard.at) == (Rung.BETWEEN, START - timedelta(days=2))
        assert heard.until is None, "its clock knows no end: that is the arrival"


async def test_live_without_clock_is_dated_by_its_arrival(tmp_path: Path) -> None:
    async with bench(tmp_path, true=False) as b:
        b.forwarder.connect()
        await b.hear_without_clock()
        ((topic, heard, _),) = b.link.sent
        assert (topic, heard.clock, heard.at) == (UP, Rung.ARRIVAL, None)


async def test_the_task_runs_and_ends(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        task = asyncio.create_task(b.forwarder.run())
        await b.hear(*frames(3), offer=False)
        b.forwarder.connect()
        await asyncio.wait_for(b.link.wait_for(3), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert b.link.seqs(BACKLOG) == [1, 2, 3]
