"""The replay itself: what is chosen, when it is sent, and where it arrives."""

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from khaen import wire
from khaen.capture import CaptureError, Reader, Record, Road
from khaen.clock import ManualClock, SystemClock
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.mqtt import MqttSettings
from simulators.faults import catalogue
from simulators.faults.faults import Faults
from simulators.frames import frames
from simulators.replay import sinks
from simulators.replay.choice import Choice
from simulators.replay.damage import Damage
from simulators.replay.publisher import Publisher
from simulators.replay.recount import Recount
from simulators.replay.replay import Replay, Tally
from simulators.replay.skip import Skip
from simulators.replay.stamp import Outgoing, Stamper
from simulators.replay.timeline import Shift, Timeline
from tests.simulators.agent import running_agent
from tests.simulators.replay.test_remap import keyring, push
from tests.simulators.replay.traffic import GATEWAY, after, envelope, event, told
from tests.support.broker import Mosquitto
from tests.support.site import GATEWAYS, Band

BANDS = [Band(1), Band(2)]
NOW = after(86_400)


class Taken(sinks.Nothing):
    """Keeps what it gets, and when."""

    def __init__(self, clock: ManualClock | None = None, refuse: bytes = b"\0") -> None:
        self.records: list[Record] = []
        self.times: list[tuple[float, datetime]] = []
        self._clock, self._refuse = clock, refuse

    def send(self, record: Record, moved: Callable[[datetime], datetime]) -> None:
        if record.payload == self._refuse:
            raise Skip("refused")
        self.records.append(record)
        if self._clock is not None:
            self.times.append((self._clock.monotonic(), moved(record.at)))


class Virtual(threading.Event):
    """An event whose waiting moves a clock."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0.0)
        return self.is_set()


def plain(*seconds: float) -> list[Record]:
    return [
        Record(at=after(s), road=Road.MQTT, topic="t", payload=str(n).encode())
        for n, s in enumerate(seconds)
    ]


def play(
    records: Iterable[Record],
    *,
    speed: float = 1.0,
    shift: Shift = Shift.NOW,
    passes: int = 1,
) -> tuple[Taken, Tally]:
    clock = ManualClock(NOW)
    taken = Taken(clock)
    timeline = Timeline(clock, speed=speed, shift=shift)
    replay = Replay(list(records), taken, timeline, clock, passes=passes, stop=Virtual(clock))
    return taken, replay.run()


# -- times ----------------------------------------------------------------------


def test_real_time_and_n_times_it() -> None:
    taken, tally = play(plain(0, 10, 30))
    assert [round(at) for at, _ in taken.times] == [0, 10, 30]
    assert [said - NOW for _, said in taken.times] == [
        timedelta(seconds=at) for at, _ in taken.times
    ]
    assert (tally.read, tally.sent, tally.first, tally.last) == (3, 3, after(0), after(30))
    taken, _ = play(plain(0, 10, 30), speed=10)
    assert [round(at, 1) for at, _ in taken.times] == [0, 1, 3]


def test_as_fast_as_possible_under_their_own_times() -> None:
    taken, _ = play(plain(0, 3600), speed=float("inf"), shift=Shift.KEEP)
    assert taken.times == [(0.0, after(0)), (0.0, after(3600))]


def test_what_was_late_stays_late_as_fast_as_it_is_sent() -> None:
    clock = ManualClock(NOW)
    (record,) = plain(600)
    for speed, late in ((1.0, 600), (10.0, 60), (float("inf"), 600)):
        timeline = Timeline(clock, speed=speed)
        assert timeline.due(record) == 0.0
        assert timeline.mover(record, NOW)(after(0)) == NOW - timedelta(seconds=late)


def test_times_that_run_backwards_are_sent_at_once_and_counted() -> None:
    taken, tally = play(plain(0, 10, 5, 7, 20))
    assert [record.payload for record in taken.records] == [b"0", b"1", b"2", b"3", b"4"]
    assert [round(at) for at, _ in taken.times] == [0, 10, 10, 10, 20]
    assert tally.backwards == 1


def test_a_loop_begins_anew_where_it_is() -> None:
    taken, tally = play(plain(0, 10), passes=3)
    assert [round(at) for at, _ in taken.times] == [0, 10, 10, 20, 20, 30]
    assert tally.sent == 6


def test_it_ends_when_told() -> None:
    clock, taken = ManualClock(NOW), Taken()
    stop = Virtual(clock)
    replay = Replay(plain(0, 1, 2, 3), taken, Timeline(clock), clock, stop=stop)
    tally = replay.run(lambda: stop.set() if len(taken.records) == 2 else None)
    assert tally.sent == 2


# -- choice ---------------------------------------------------------------------


def chosen(choice: Choice, records: list[Record]) -> list[Record]:
    return [found for record in records if (found := choice(record)) is not None]


def test_each_condition_chooses() -> None:
    first, second = BANDS
    records = [
        envelope(first.telemetry(), 1),
        envelope(second.telemetry(), 2, gateway=GATEWAYS[1], heard=10),
        told(first, event(first, 1, b"\1"), as_json=True, taken=20),
        push(first, second.telemetry()),
        replace(plain(30)[0], topic=f"khaen/gateway/{GATEWAYS[1]}/receipt"),
    ]
    ring, families = keyring(*BANDS), {first.dev_eui: "khaen_wristband", second.dev_eui: "x"}
    for choice, indexes in (
        (Choice(), [0, 1, 2, 3, 4]),
        (Choice(devices=frozenset({first.dev_eui}), device_of=ring.device), [0, 2]),
        (Choice(devices=frozenset({second.dev_eui}), device_of=ring.device), [1, 3]),
        (Choice(devices=frozenset({first.dev_eui})), [2]),
        (Choice(gateways=frozenset({GATEWAYS[1]})), [1, 4]),
        (Choice(gateways=frozenset({GATEWAY}), roads=frozenset({Road.UDP_UP})), [3]),
        (Choice(families=frozenset({"x"}), family_of=families, device_of=ring.device), [1, 3]),
        (Choice(since=after(10), until=after(30)), [1, 2]),
        (Choice(devices=frozenset({first.dev_eui}), gateways=frozenset({GATEWAYS[1]})), []),
    ):
        assert [records.index(record) for record in chosen(choice, records)] == indexes


def test_of_a_record_with_several_frames_only_the_chosen_remain() -> None:
    first, second = BANDS
    datagram = push(first, first.telemetry())
    document = json.loads(datagram.payload[12:])
    document["rxpk"] += json.loads(push(first, second.telemetry()).payload[12:])["rxpk"]
    both = replace(datagram, payload=datagram.payload[:12] + json.dumps(document).encode())
    ring = keyring(*BANDS)
    (found,) = chosen(Choice(devices=frozenset({second.dev_eui}), device_of=ring.device), [both])
    assert json.loads(found.payload[12:])["rxpk"] == document["rxpk"][1:]


def test_counters_go_on_from_pass_to_pass() -> None:
    first, second = Band(1), Band(2)
    first.f_cnt, second.f_cnt = 0xFFFE, 7
    records = [envelope(first.telemetry(), n, heard=n) for n in range(1, 4)]
    records += [told(second, event(second, 7, b"\1"), as_json=True, taken=9)]
    records += [envelope(Band(3).telemetry(), 9, heard=10)]
    clock, taken = ManualClock(NOW), Taken()
    timeline = Timeline(clock, speed=float("inf"))
    ciphers = {first.dev_eui: first.cipher}
    replay = Replay(records, taken, timeline, clock, passes=3, recount=Recount(ciphers))
    assert replay.run().skipped == {"counter_not_known": 2}
    ring, counters = keyring(first), []
    for record in taken.records:
        (frame,) = frames(record)
        opened = ring.open(frame.phy) if frame.phy else None
        counters.append(frame.f_cnt if frame.phy is None else opened and opened.f_cnt)
    assert counters == [
        0xFFFE, 0xFFFF, 0x1_0000, 7, None,
        0x1_0001, 0x1_0002, 0x1_0003, 8,
        0x1_0004, 0x1_0005, 0x1_0006, 9,
    ]  # fmt: skip


# -- sinks ------------------------------------------------------------------------


def test_into_another_capture_and_into_lines(tmp_path: Path) -> None:
    records = [envelope(BANDS[0].telemetry(), 1), *plain(1)]
    sink = sinks.Capture(tmp_path / "x.khcap", SystemClock(), simulated=True, site="s")
    for record in records:
        sink.send(record, lambda at: at)
    assert sink.finish()["records"] == 2
    sink.close()
    with Reader(tmp_path / "x.khcap") as reader:
        assert list(reader) == records
        assert (reader.header.simulated, reader.header.site) == (True, "s")
    with pytest.raises(CaptureError):
        sinks.Capture(tmp_path / "x.khcap", SystemClock(), simulated=True, site=None)
    out = io.StringIO()
    lines = sinks.Lines(out)
    lines.send(records[0], lambda at: at)
    assert lines.finish() == {"lines": 1}
    document = json.loads(out.getvalue())
    assert document["frames"][0]["dev_addr"] == BANDS[0].dev_addr
    assert bytes.fromhex(document["payload"]) == records[0].payload


async def test_an_agent_gets_datagrams_with_tokens_of_their_own() -> None:
    band, other = BANDS[0], GatewayEui("ac1f09fffe0a0b0f")
    phys = [band.telemetry() for _ in range(100)]
    records = [envelope(phy, 1) for phy in phys[:50]] + [push(band, phy) for phy in phys[50:]]
    async with running_agent() as agent:
        sink = sinks.Agent(agent.address, frozenset({GATEWAY}))

        def send() -> dict[str, int]:
            for record in records:
                sink.send(record, lambda at: at)
            with pytest.raises(Skip, match="not_a_simulated_gateway"):
                sink.send(envelope(phys[0], 1, gateway=other), lambda at: at)
            for record in (plain(1)[0], replace(records[0], payload=b"\xff")):
                with pytest.raises(Skip, match=r"unreadable|no_frames"):
                    sink.send(record, lambda at: at)
            return dict(sink.finish())

        try:
            figures = await asyncio.to_thread(send)
        finally:
            sink.close()
        assert figures == {"datagrams": 100, "acknowledged": 100}
        assert agent.frames() == phys
        assert len({datagram[1:3] for datagram in agent.datagrams}) == 100
        entry = json.loads(agent.datagrams[0][12:])["rxpk"][0]
        assert (entry["datr"], entry["freq"], entry["codr"]) == ("SF9BW125", 923.2, "4/5")
        assert "time" not in entry


def test_a_broker_that_dies_gets_all_when_it_is_back(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto(persistence=True)
    publisher = Publisher(MqttSettings(port=broker.port), "test", window=16)
    messages = [Outgoing(topic="kept", payload=str(n).encode()) for n in range(400)]
    try:
        for number, message in enumerate(messages):
            if number in (100, 250):
                broker.restart()
            publisher.publish(message)
        publisher.drain()
        assert publisher.taken == 400
    finally:
        publisher.close()


def test_without_a_broker_it_says_so(free_port: int) -> None:
    publisher = Publisher(MqttSettings(port=free_port), "test", patience_s=0.3)
    try:
        with pytest.raises(NotRunnable, match=f"no broker to replay to at 127.0.0.1:{free_port}"):
            publisher.publish(Outgoing(topic="t", payload=b""))
    finally:
        publisher.close()


def test_each_message_goes_by_the_account_that_may_send_it() -> None:
    asked: list[str] = []

    def publisher_of(account: str) -> None:
        asked.append(account)

    sink = sinks.Broker(publisher_of, Stamper("run"), SystemClock())
    band = BANDS[0]
    for record, reason in (
        (envelope(band.telemetry(), 1), "no_account_gateway"),
        (envelope(band.telemetry(), 2), "no_account_gateway"),
        (told(band, event(band, 1, b"\1"), as_json=True), "no_account_network_server"),
    ):
        with pytest.raises(Skip, match=reason):
            sink.send(record, lambda at: at)
    assert asked == [f"gateway-{GATEWAY}", "network-server"]
    sink.close()


def test_a_broker_hears_only_of_gateways_that_may_be_spoken_for() -> None:
    others = frozenset({GATEWAYS[1]})
    sink = sinks.Broker(lambda _account: None, Stamper("run"), SystemClock(), others)
    for gateway, reason in ((GATEWAY, "not_of_the_site"), (GATEWAYS[1], "no_account_gateway")):
        with pytest.raises(Skip, match=reason):
            sink.send(envelope(BANDS[0].telemetry(), 1, gateway=gateway), lambda at: at)


class Heard:
    """Takes what is published."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def publish(self, message: Outgoing) -> None:
        self.payloads.append(message.payload)


@pytest.mark.parametrize("short", ["truncate", "corrupt=1,where=message"])
def test_a_broker_gets_messages_that_break_after_their_stamp(short: str) -> None:
    records = [envelope(BANDS[0].telemetry(), number) for number in range(1, 21)]
    damage = Damage(lambda start: Faults((catalogue.parse(short),), 1, start))
    whole, broken = publish(records, Damage()), publish(records, damage)
    assert len(whole) == len(broken) == 20
    if short == "truncate":
        assert all(b != w and w.startswith(b) for w, b in zip(whole, broken, strict=True))
    else:
        assert all(b != w and len(b) == len(w) for w, b in zip(whole, broken, strict=True))
    assert [did.changed for _fault, did in damage.tallies] == [20]


def publish(records: Iterable[Record], damage: Damage) -> list[bytes]:
    """What a broker gets of them."""
    heard = Heard()
    sink = sinks.Broker(
        lambda _account: cast("Publisher", heard),
        Stamper("run"),
        ManualClock(after(3600)),
        damage=damage,
    )
    for record in records:
        sink.send(record, lambda at: at)
    return heard.payloads


# -- all of it ----------------------------------------------------------------------


def test_faults_work_in_the_recorded_time_and_nothing_is_forgotten() -> None:
    clock, taken, band = ManualClock(NOW), Taken(refuse=b"1"), BANDS[0]
    records = [envelope(band.telemetry(), n + 1, heard=n) for n in range(200)]
    faults = catalogue.parse_all(["loss=0.5", "delay=3s"])
    replay = Replay(
        records,
        taken,
        Timeline(clock, speed=float("inf"), shift=Shift.KEEP),
        clock,
        faults=lambda start: Faults(faults, 1, start),
    )
    tally = replay.run()
    assert tally.sent == len(taken.records)
    assert 60 < tally.sent < 140
    numbers = [wire.parse(GATEWAY, record.payload).number for record in taken.records]
    assert len(set(numbers)) == tally.sent
    assert [fault.fault for fault, _ in tally.faults] == ["loss", "delay"]
    refused = Replay(plain(0, 1), taken, Timeline(clock, speed=float("inf")), clock).run()
    assert (refused.sent, refused.skipped["refused"]) == (1, 1)
