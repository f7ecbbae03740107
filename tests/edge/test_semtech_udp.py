"""The socket side of Semtech's protocol: when it answers, and what it makes of garbage."""

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any, cast

import pytest
from chirpstack_api import gw
from hypothesis import given
from hypothesis import strategies as st

from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import Downlinks
from edge.forwarding.forwarder import Forwarder
from edge.intake import Intake
from edge.outbox.outbox import Stored
from edge.outbox.writer import Writer
from edge.record import Arrival
from edge.semtech.port import Port
from edge.semtech.tally import Tally
from edge.settings import EdgeSettings, OutboxSettings, UdpSettings
from edge.sources.semtech_udp import SemtechUdp, listening
from khaen.clock import ManualClock
from khaen.errors import StoreUnavailable
from khaen.ids import GatewayEui
from khaen.uplink import Kind
from tests.edge.fixtures import GATEWAY, START, FakeHost, FakeStation
from tests.edge.sources.bench import eventually

EUI = bytes.fromhex(GATEWAY)
FRAME = {"stat": 1, "data": "QAECAwQAAQABqgAAAAA=", "freq": 923.2, "datr": "SF7BW125"}
BODIES = {
    vector["name"]: vector
    for vector in json.loads(Path(__file__).with_name("semtech.json").read_text())
}


def push(body: object, token: bytes = b"\x12\x34", eui: bytes = EUI) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"\x02" + token + b"\x00" + eui + raw


@dataclass
class FakeIntake:
    """Takes what is heard; the test says when it is on disk."""

    heard: list[gw.UplinkFrame] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    waiting: list[asyncio.Future[Stored]] = field(default_factory=list)
    busy: bool = False

    def hear(
        self, frame: gw.UplinkFrame, satellite: object = None, *, waited_s: float = 0.0
    ) -> Arrival:
        self.heard.append(frame)
        self.waited.append(waited_s)
        return cast("Arrival", frame)

    def store(self, arrivals: Sequence[Arrival]) -> asyncio.Future[Stored]:
        if self.busy:
            raise StoreUnavailable("busy")
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future

    async def settle(self, *, durable: bool = True) -> None:
        for future in self.waiting:
            future.set_result(Stored(records=(), durable=durable, generation=0))
        self.waiting.clear()
        await asyncio.sleep(0)


@dataclass
class FakeDownlinks:
    """Told what was heard, and what the forwarder says of downlinks."""

    contexts: list[bytes] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def hear(self, context: bytes, *, waited_s: float = 0.0) -> None:
        self.contexts.append(context)
        self.waited.append(waited_s)

    def answered(self, token: int, status: int) -> None:
        self.answers.append((token, status))


@dataclass
class FakeTransport:
    """Where answers go."""

    answers: list[bytes] = field(default_factory=list)

    def sendto(self, data: bytes, addr: object) -> None:
        self.answers.append(data)

    def is_closing(self) -> bool:
        return False


@dataclass
class Bench:
    intake: FakeIntake
    transport: FakeTransport
    counts: Counts
    station: FakeStation
    source: SemtechUdp
    downlinks: FakeDownlinks

    @property
    def stats(self) -> list[gw.GatewayStats]:
        return self.station.stats

    def take(self, data: bytes) -> None:
        self.source.datagram_received(data, ("127.0.0.1", 4000))

    def refused(self, reason: str) -> float:
        return float(self.counts.refused.labels(reason=reason)._value.get())


@pytest.fixture
def make() -> Callable[[], Bench]:
    def build() -> Bench:
        intake, transport, counts = FakeIntake(), FakeTransport(), Counts()
        downlinks = FakeDownlinks()
        station = FakeStation(cast("Intake", intake), cast("Downlinks", downlinks))
        source = SemtechUdp({GATEWAY: station}, ManualClock(START), counts)
        source.connection_made(cast("asyncio.DatagramTransport", transport))
        return Bench(intake, transport, counts, station, source, downlinks)

    return build


async def test_acknowledged_only_when_it_is_on_disk(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME, FRAME]}))
    assert b.transport.answers == []
    await b.intake.settle()
    assert b.transport.answers == [b"\x02\x12\x34\x01"]
    assert [frame.rx_info.uplink_id for frame in b.intake.heard] == [0x3412, 0x3412]


async def test_what_is_only_in_memory_is_not_acknowledged(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME]}))
    await b.intake.settle(durable=False)
    assert b.transport.answers == []
    assert b.refused("not_durable") == 1


async def test_what_finds_no_room_is_not_acknowledged(make: Callable[[], Bench]) -> None:
    b = make()
    b.intake.busy = True
    b.take(push({"rxpk": [FRAME]}))
    assert b.transport.answers == []
    assert b.refused("outbox_busy") == 1


async def test_a_bad_frame_costs_itself_only(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME | {"data": "%"}, 7, FRAME | {"stat": -1}, FRAME]}))
    await b.intake.settle()
    assert len(b.intake.heard) == 1
    assert b.transport.answers == [b"\x02\x12\x34\x01"]
    assert [b.refused(r) for r in ("bad_base64", "not_object", "crc_bad")] == [1, 1, 1]


async def test_semtechs_own_datagrams(make: Callable[[], Bench]) -> None:
    b = make()
    three = BODIES["Semtech's own three, unpadded and in both alphabets"]
    b.take(push(three["body"]))
    await b.intake.settle()
    assert [len(frame.phy_payload) for frame in b.intake.heard] == [32, 16, 32]
    b.take(push(BODIES["Semtech's own stat"]["body"]))
    assert b.stats[0].rx_packets_received == 2
    assert len(b.transport.answers) == 2


async def test_pull_data_is_answered(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(b"\x02\xaa\xbb\x02" + EUI)
    assert b.transport.answers == [b"\x02\xaa\xbb\x04"]


async def test_each_gateway_hears_for_itself(make: Callable[[], Bench]) -> None:
    first, second = make(), make()
    other = GatewayEui("0016c001f153a14d")
    stations = {GATEWAY: first.station, other: second.station}
    both = SemtechUdp(stations, ManualClock(START), first.counts)
    both.connection_made(cast("asyncio.DatagramTransport", first.transport))
    for eui in (GATEWAY, other, "0016c001f153a14e"):
        body = {"rxpk": [FRAME], "stat": {"rxnb": 1}}
        both.datagram_received(push(body, eui=bytes.fromhex(eui)), ("127.0.0.1", 4000))
    for bench, eui in ((first, GATEWAY), (second, other)):
        (frame,), (stats,) = bench.intake.heard, bench.stats
        assert (frame.rx_info.gateway_id, stats.gateway_id) == (eui, eui)
    assert first.refused("other_gateway") == 1
    await second.intake.settle()
    assert len(first.transport.answers) == 1
    both.datagram_received(b"\x02\0\0\x02" + bytes.fromhex(other), ("127.0.0.1", 4001))
    assert second.station.way_down(1, {})
    assert not first.station.way_down(1, {})
    both.datagram_received(b"\x02\x01\0\x05" + bytes.fromhex(other), ("127.0.0.1", 4001))
    assert (first.downlinks.answers, second.downlinks.answers) == ([], [(1, gw.OK)])


async def test_statistics_hold_what_was_heard_since_the_last(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME, FRAME]}))
    b.take(push({"rxpk": [FRAME], "stat": {"rxnb": 3, "rxok": 9}}))
    b.take(push({"stat": {}}))
    assert [stats.rx_packets_received_ok for stats in b.stats] == [2, 1]
    assert b.stats[0].rx_packets_received == 3
    assert dict(b.stats[0].rx_packets_per_frequency) == {923_200_000: 2}


async def test_a_stat_that_is_none_does_not_cost_the_frames(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME], "stat": "fine"}))
    await b.intake.settle()
    assert len(b.transport.answers) == 1
    assert b.refused("not_object") == 1


async def test_a_restarted_forwarder_is_one_two_in_turns_are_two(make: Callable[[], Bench]) -> None:
    b, clock = make(), ManualClock(START)
    source = SemtechUdp({GATEWAY: b.station}, clock, b.counts)
    pulls = []
    for port in (1, 1, 2, 2, 3, 4, 3):
        source.datagram_received(b"\x02\0\0\x02" + EUI, ("127.0.0.1", port))
        pulls.append("two_forwarders" in b.station.warnings)
        clock.advance(10)
    assert pulls == [False] * 6 + [True]
    clock.advance(601)
    source.datagram_received(b"\x02\0\0\x02" + EUI, ("127.0.0.1", 3))
    assert "two_forwarders" not in b.station.warnings


async def test_version_1_is_answered_in_version_1(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(b"\x01" + push({"rxpk": [FRAME]})[1:])
    await b.intake.settle()
    b.take(b"\x01\xaa\xbb\x02" + EUI)
    assert b.station.way_down(0x1234, {})
    answers = [answer[:4] for answer in b.transport.answers]
    assert answers == [b"\x01\x12\x34\x01", b"\x01\xaa\xbb\x04", b"\x01\0\0\x03"]


async def test_what_was_heard_may_be_answered(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(push({"rxpk": [FRAME | {"tmst": 1_000_000}, FRAME | {"stat": -1, "tmst": 7}]}))
    assert b.downlinks.contexts == [(1_000_000).to_bytes(4, "big")]


async def test_what_waited_for_us_is_as_old_as_it_is(make: Callable[[], Bench]) -> None:
    b, port = make(), Port()
    kept = port.take(UdpSettings(port=0))
    assert kept is not None
    for sent in range(1, 100):  # the kernel begins with stamps a moment after it was told to
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
            forwarder.sendto(push({"rxpk": [FRAME]}), kept.getsockname())
        await asyncio.sleep(0.02)
        async with listening(b.source, kept):
            await eventually(lambda: len(b.intake.heard), partial(eq, sent))
        if b.intake.waited[-1] >= 0.02:
            break
    assert b.intake.waited[-1] >= 0.02
    assert b.intake.waited == b.downlinks.waited
    port.close()


async def test_what_became_of_a_downlink_is_believed_of_whom_it_was_given_to(
    make: Callable[[], Bench],
) -> None:
    b = make()
    told = b"\x02\xaa\xbb\x05" + EUI
    b.take(told)
    b.take(b"\x02\0\0\x02" + EUI)
    b.source.datagram_received(told, ("127.0.0.2", 4000))
    assert b.downlinks.answers == []
    assert b.refused("tx_ack_of_another") == 2
    b.take(told)
    assert b.downlinks.answers == [(0xBBAA, gw.OK)]


async def test_what_became_of_a_downlink_is_handed_on(make: Callable[[], Bench]) -> None:
    b = make()
    b.take(b"\x02\0\0\x02" + EUI)
    b.transport.answers.clear()
    b.take(b"\x02\xaa\xbb\x05" + EUI + b'{"txpk_ack":{"error":"TOO_LATE"}}')
    b.take(b"\x02\xaa\xbb\x05" + EUI)
    b.take(b"\x02\xaa\xbb\x05" + EUI + b"{")
    assert b.downlinks.answers == [(0xBBAA, gw.TOO_LATE), (0xBBAA, gw.OK)]
    assert b.refused("not_json") == 1
    assert b.transport.answers == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too_short"),
        (b"\x02\x00\x00", "too_short"),
        (b"\x02\x00\x00\x00\x01", "too_short"),
        (b"\x07\x00\x00\x00" + EUI, "unknown_version"),
        (b"\x02\x00\x00\x09" + EUI, "unknown_type"),
        (push({"rxpk": [FRAME]}, eui=b"\x01" * 8), "other_gateway"),
        (push(b"{"), "not_json"),
        (push(b""), "not_json"),
        (push([1]), "not_object"),
        (push({"rxpk": {}}), "rxpk_no_list"),
    ],
)
async def test_what_cannot_be_taken_is_counted(
    make: Callable[[], Bench], data: bytes, reason: str
) -> None:
    b = make()
    b.take(data)
    assert b.refused(reason) == 1
    assert b.transport.answers == []
    assert b.intake.heard == []


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda kind, eui, body: b"\x02\x00\x00" + kind + eui + body,
        st.sampled_from([b"\x00", b"\x02", b"\x05"]),
        st.just(EUI) | st.binary(max_size=9),
        st.binary(max_size=200)
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["rxpk", "stat", "data", "time", "lati", "datr", "rsig"]), inner
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_garbage_never_stops_it(data: bytes) -> None:
    async def throw() -> None:
        intake, transport = FakeIntake(), FakeTransport()
        station = FakeStation(cast("Intake", intake), cast("Downlinks", FakeDownlinks()))
        source = SemtechUdp({GATEWAY: station}, ManualClock(START), Counts())
        source.connection_made(cast("asyncio.DatagramTransport", transport))
        source.datagram_received(data, ("127.0.0.1", 1))
        source.datagram_received(push({"rxpk": [FRAME]}), ("127.0.0.1", 1))
        await intake.settle()
        assert transport.answers[-1:] == [b"\x02\x12\x34\x01"]

    asyncio.run(throw())


async def test_intake_stores_and_offers(tmp_path: Path) -> None:
    """The real intake before a real outbox: numbers come back, priority by the frame's header."""
    from tests.edge.fixtures import make_outbox

    offered: list[tuple[Stored, Sequence[Arrival]]] = []

    class Listening:
        def offer(self, stored: Stored, arrivals: Sequence[Arrival]) -> None:
            offered.append((stored, arrivals))

    clock = ManualClock(START)
    settings: Any = EdgeSettings(gateway_eui=GATEWAY, site="kk", simulated=True)
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite", clock), limit=10)
    dating = Dating(clock, FakeHost(clock=clock), trust=False)
    forwarder = cast("Forwarder", Listening())
    intake = Intake(settings, writer, forwarder, dating, clock, Counts())
    join = gw.UplinkFrame(phy_payload=bytes(23))
    stored = await intake.store([intake.hear(join), intake.beat()])
    assert stored.durable
    assert [record.number.seq for record in stored.records] == [1, 2]
    assert [record.priority for record in stored.records] == [True, False]
    assert [record.origin.value for record in stored.records] == ["simulated", "heartbeat"]
    assert [arrival.live_s for arrival in offered[0][1]] == [3.0, 2.0]
    await writer.close()


def test_what_waited_is_dated_by_when_it_came() -> None:
    clock = ManualClock(START)
    clock.advance(60)
    settings: Any = EdgeSettings(gateway_eui=GATEWAY, site="kk")
    dating = Dating(clock, FakeHost(clock=clock), trust=False)
    intake = Intake(
        settings, cast("Writer", None), cast("Forwarder", None), dating, clock, Counts()
    )
    arrival = intake.hear(gw.UplinkFrame(phy_payload=b"\x40"), waited_s=20.0)
    assert arrival.heard == 40.0
    assert (arrival.instant.boot_us, arrival.instant.at) == (
        40_000_000,
        START + timedelta(seconds=40),
    )


@pytest.mark.parametrize(
    ("ago", "waited_s"),
    [(timedelta(seconds=20), 20.0), (timedelta(seconds=-20), 0.0), (timedelta(days=20_000), 0.0)],
)
def test_what_waited_with_somebody_else_is_dated_by_when_he_had_it(
    ago: timedelta, waited_s: float
) -> None:
    clock = ManualClock(START)
    settings: Any = EdgeSettings(gateway_eui=GATEWAY, site="kk")
    dating = Dating(clock, FakeHost(clock=clock), trust=False)
    intake = Intake(
        settings, cast("Writer", None), cast("Forwarder", None), dating, clock, Counts()
    )
    frame = gw.UplinkFrame(phy_payload=b"{}")
    arrival = intake.hear_message(Kind.APPLICATION, frame, priority=False, since=START - ago)
    assert arrival.heard == -waited_s
    assert arrival.instant.at == START - timedelta(seconds=waited_s)


async def test_a_large_frame_waits_for_the_disk_as_several(tmp_path: Path) -> None:
    from tests.edge.fixtures import make_outbox

    clock = ManualClock(START)
    settings: Any = EdgeSettings(
        gateway_eui=GATEWAY, site="kk", outbox=OutboxSettings(group_ms=1000)
    )
    writer = Writer(make_outbox(tmp_path / "outbox.sqlite", clock), limit=10)
    dating = Dating(clock, FakeHost(clock=clock), trust=False)
    intake = Intake(settings, writer, cast("Forwarder", None), dating, clock, Counts())
    large = gw.UplinkFrame(phy_payload=b"\x40", rx_info=gw.UplinkRxInfo(metadata={"a": "x" * 9216}))
    waits = intake.store([intake.hear(large)])
    with pytest.raises(StoreUnavailable):
        await intake.store([intake.beat()])
    waits.cancel()
    await writer.close()
