"""Downlinks: which item goes when, what is answered, and what is never sent."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from edge import downlinks
from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import ANSWER_S, MOST, Downlinks
from khaen.errors import WireError
from simulators.inside.clocks import WorldClock
from simulators.inside.loop import VirtualLoop
from tests.edge.fixtures import GATEWAY, START, FakeHost

CONTEXT = (1_000_000).to_bytes(4, "big")
GPS_S = 1_468_803_741
"""GPS time of START: seconds since 1980-01-06, 18 leap seconds included."""


def make_item(
    delay: float | None = 1.0, *, context: bytes = CONTEXT, frequency: int = 923_200_000
) -> gw.DownlinkFrameItem:
    """A join accept's size; with no delay, at once."""
    item = gw.DownlinkFrameItem(phy_payload=bytes(17))
    info = item.tx_info
    info.frequency, info.power, info.context = frequency, 16, context
    info.modulation.lora.spreading_factor = 10
    info.modulation.lora.bandwidth = 125_000
    info.modulation.lora.code_rate = gw.CR_4_5
    if delay is None:
        info.timing.immediately.SetInParent()
    else:
        info.timing.delay.delay.FromMicroseconds(round(delay * 1e6))
    return item


def make_frame(*items: gw.DownlinkFrameItem, number: int = 7) -> gw.DownlinkFrame:
    return gw.DownlinkFrame(
        downlink_id=number, gateway_id=GATEWAY, items=items or (make_item(1.0), make_item(2.0))
    )


@dataclass
class Bench:
    """Downlinks whose forwarder is the test."""

    reachable: bool = True
    sent: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    acks: list[gw.DownlinkTxAck] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = WorldClock(self.loop, START)
        self.host = FakeHost()
        dating = Dating(self.clock, self.host, trust=False)
        self.downlinks = Downlinks(
            GATEWAY, self._transmit, self.acks.append, dating, self.clock, self.counts
        )

    def _transmit(self, token: int, packet: dict[str, Any]) -> bool:
        if self.reachable:
            self.sent.append((token, packet))
        return self.reachable

    @property
    def statuses(self) -> list[str]:
        """Of the only answer that there was."""
        (ack,) = self.acks
        assert (ack.gateway_id, ack.downlink_id) == (GATEWAY, 7)
        return [gw.TxAckStatus.Name(item.status) for item in ack.items]

    def answer(self, status: int, token: int | None = None) -> None:
        self.downlinks.answered(self.sent[-1][0] if token is None else token, status)


def virtually(test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a test in virtual time."""

    async def run() -> None:
        await test(Bench())

    with closing(VirtualLoop()) as loop:
        loop.run_until_complete(run())


def test_the_first_that_is_taken_is_sent_and_the_rest_ignored() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame())
        assert b.acks == []
        b.answer(gw.OK)
        assert b.statuses == ["OK", "IGNORED"]
        assert [packet["tmst"] for _, packet in b.sent] == [2_000_000]
        await asyncio.sleep(ANSWER_S + 1)
        assert len(b.acks) == 1
        assert b.counts.downlinks.labels(status="ok")._value.get() == 1

    virtually(test)


@pytest.mark.parametrize("waited_s", [4.0, 10_000.0])
def test_what_answers_a_frame_that_waited_is_too_late(waited_s: float) -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT, waited_s=waited_s)
        b.downlinks.take(make_frame())
        assert b.statuses == ["TOO_LATE"] * 2
        assert b.sent == []

    virtually(test)


def test_what_the_forwarder_refuses_goes_in_the_next_window() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame())
        b.answer(gw.COLLISION_PACKET)
        b.answer(gw.OK)
        assert b.statuses == ["COLLISION_PACKET", "OK"]
        assert [packet["tmst"] for _, packet in b.sent] == [2_000_000, 3_000_000]

    virtually(test)


def test_what_is_refused_in_all_windows_has_each_reason() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame())
        b.answer(gw.TX_FREQ)
        b.answer(gw.TOO_LATE)
        assert b.statuses == ["TX_FREQ", "TOO_LATE"]

    virtually(test)


def test_a_late_command_has_the_second_window_at_most() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        await asyncio.sleep(1.5)
        b.downlinks.take(make_frame())
        b.answer(gw.OK)
        assert b.statuses == ["TOO_LATE", "OK"]

    virtually(test)


@pytest.mark.parametrize("waited", [2.5, 19.0, 4294.9])
def test_a_stale_command_is_never_sent(waited: float) -> None:
    """At 4294.9 s the counter has come round: RX1 would lie 67 ms ahead of it again."""

    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        await asyncio.sleep(waited)
        b.downlinks.hear(bytes(4))  # the radio lives
        b.downlinks.take(make_frame())
        assert b.statuses == ["TOO_LATE", "TOO_LATE"]
        assert b.sent == []

    virtually(test)


def test_what_answers_nothing_that_was_heard_is_never_sent() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.take(make_frame())
        assert b.statuses == ["TOO_LATE", "TOO_LATE"]

    virtually(test)


def test_at_once_needs_nothing_heard() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.take(make_frame(make_item(None)))
        b.answer(gw.OK)
        assert b.statuses == ["OK"]
        assert b.sent[0][1]["imme"] is True

    virtually(test)


@pytest.mark.parametrize(
    ("ahead", "true", "statuses"),
    [(5, True, ["OK"]), (-5, True, ["TOO_LATE"]), (-5, False, ["OK"])],
)
def test_gps_time_that_is_over_by_a_true_clock_is_not_sent(
    ahead: int, true: bool, statuses: list[str]
) -> None:
    async def test(b: Bench) -> None:
        object.__setattr__(b.host, "true", true)
        item = make_item()
        item.tx_info.timing.gps_epoch.time_since_gps_epoch.FromSeconds(GPS_S + ahead)
        b.downlinks.take(make_frame(item))
        if b.sent:
            assert b.sent[0][1]["tmms"] == (GPS_S + ahead) * 1000
            b.answer(gw.OK)
        assert b.statuses == statuses

    virtually(test)


def test_no_way_to_the_forwarder_is_said() -> None:
    async def test(b: Bench) -> None:
        b.reachable = False
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame())
        assert b.statuses == ["INTERNAL_ERROR", "INTERNAL_ERROR"]

    virtually(test)


def test_silence_of_the_forwarder_is_said_and_nothing_goes_twice() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame())
        await asyncio.sleep(ANSWER_S - 0.1)
        assert b.acks == []
        await asyncio.sleep(0.2)
        assert b.statuses == ["INTERNAL_ERROR", "INTERNAL_ERROR"]
        b.answer(gw.OK)  # too late
        assert len(b.acks) == len(b.sent) == 1
        assert b.counts.refused.labels(reason="unknown_tx_ack")._value.get() == 1

    virtually(test)


def test_an_item_that_cannot_be_rendered_costs_itself_only() -> None:
    async def test(b: Bench) -> None:
        b.downlinks.hear(CONTEXT)
        b.downlinks.take(make_frame(gw.DownlinkFrameItem(), make_item(2.0)))
        b.answer(gw.OK)
        assert b.statuses == ["INTERNAL_ERROR", "OK"]

    virtually(test)


def test_only_so_many_wait() -> None:
    async def test(b: Bench) -> None:
        for number in range(MOST + 1):
            b.downlinks.take(make_frame(make_item(None), number=number))
        (ack,) = b.acks
        assert ack.downlink_id == MOST
        assert [item.status for item in ack.items] == [gw.QUEUE_FULL]

    virtually(test)


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.just("hear"), st.integers(0, 3))
    | st.tuples(st.just("take"), st.integers(1, 3))
    | st.tuples(st.just("answer"), st.sampled_from([gw.OK, gw.TOO_LATE, gw.INTERNAL_ERROR]))
    | st.tuples(st.just("reach"), st.integers(0, 1))
    | st.tuples(st.just("wait"), st.integers(0, 30)),
    max_size=40,
)


@given(steps)
def test_each_command_is_answered_once_and_sent_once(script: list[Step]) -> None:
    async def test(b: Bench) -> None:
        asked: dict[int, int] = {}
        for what, value in script:
            match what:
                case "hear":
                    b.downlinks.hear(bytes((0, 0, 0, value)))
                case "take":
                    items = [make_item(n + 1.0, context=bytes((0, 0, 0, n))) for n in range(value)]
                    asked[len(asked)] = value
                    b.downlinks.take(make_frame(*items, number=len(asked) - 1))
                case "answer" if b.sent:
                    b.answer(value)
                case "reach":
                    b.reachable = bool(value)
                case "wait":
                    await asyncio.sleep(value / 10)
        await asyncio.sleep(10 * ANSWER_S)
        assert {ack.downlink_id: len(ack.items) for ack in b.acks} == asked
        assert len(b.acks) == len(asked)
        for ack in b.acks:
            statuses = [item.status for item in ack.items]
            assert statuses.count(gw.OK) <= 1
            ignored = statuses[statuses.index(gw.OK) + 1 :] if gw.OK in statuses else []
            assert statuses.count(gw.IGNORED) == len(ignored) == ignored.count(gw.IGNORED)

    virtually(test)


# -- what a command may be --------------------------------------------------------


@pytest.mark.parametrize("json", [True, False])
def test_both_encodings_are_read(json: bool) -> None:
    frame = make_frame()
    text = json_format.MessageToJson(frame).encode()
    assert downlinks.parse(GATEWAY, text if json else frame.SerializeToString()) == frame


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "gateway_mismatch"),
        (b"\xff", "not_protobuf"),
        (b"{", "not_json"),
        (b"{\xff}", "not_json"),
        (b'{"items":7}', "not_json"),
        (b'{"downlinkId":' + b"9" * 5000 + b"}", "not_json"),
        (b"{" * 9000, "not_json"),
        (bytes(20_000), "too_long"),
        (gw.DownlinkFrame(gateway_id=GATEWAY).SerializeToString(), "bad_items"),
        (make_frame(*[make_item()] * 9).SerializeToString(), "bad_items"),
        (
            gw.DownlinkFrame(gateway_id="0" * 16, items=[make_item()]).SerializeToString(),
            "gateway_mismatch",
        ),
    ],
)
def test_what_is_no_command_for_us_says_why(payload: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        downlinks.parse(GATEWAY, payload)
    assert caught.value.reason == reason


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"{" + data))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    head = gw.DownlinkFrame(gateway_id=GATEWAY).SerializeToString()
    for payload in (data, head + data):
        try:
            frame = downlinks.parse(GATEWAY, payload)
        except WireError:
            continue

        async def test(b: Bench, frame: gw.DownlinkFrame = frame) -> None:
            b.downlinks.take(frame)
            await asyncio.sleep(10 * ANSWER_S)
            assert len(b.acks) == 1

        virtually(test)
