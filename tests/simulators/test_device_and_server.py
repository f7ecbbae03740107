"""The simulated device against the stand-in network server, in virtual time: what each believes of
the other must come true, whatever the air loses.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from chirpstack_api import gw, integration
from hypothesis import given, settings
from hypothesis import strategies as st

from khaen.clock import ManualClock
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.mac import Cid
from khaen.lorawan.region import MAX_EIRP, THAI_CHANNELS, data_rate_of
from simulators.devices.device import Message, Transmission
from simulators.mac import JoinKeys, Mac, Received, Settings
from simulators.network.core import NetworkCore
from simulators.network.device import Item, Profile
from simulators.network.link import Link
from simulators.network.output import Downlink, Event
from simulators.network.plan import Network

START = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)
EUI, JOIN_EUI = DevEui("a1b2c3d4e5f60708"), "01" * 8
GATEWAY = GatewayEui("0016c001f153a14c")
APP_KEY = bytes(range(16))
HOUR = 3600.0
TICK = 1e-6
"""Seconds: the clock tells no less."""


@dataclass
class Air:
    """What the radio does: the SNR of full power in dB, and what it loses (0 to 1, by chance)."""

    snr: float = 8.0
    up: float = 0.0
    down: float = 0.0
    acks: float = 0.0
    """What is lost of the gateway's TX_ACKs."""
    rx1: bool = True
    """Whether the gateway can send in RX1."""


@dataclass
class World:
    """One device, one gateway, one network server; `seed` decides what is lost."""

    network: Network = field(default_factory=Network)
    profile: Profile = field(default_factory=Profile)
    seed: int = 0
    data_rate: int = 3

    def __post_init__(self) -> None:
        self.air = Air()
        self.clock = ManualClock(START)
        self.rng = Random(f"{self.seed}|air")
        self.core = NetworkCore(self.clock, seed="test", network=self.network)
        self.core.add_gateway(GATEWAY)
        info = integration.DeviceInfo(application_id="app", dev_eui=EUI)
        self.core.add_otaa(info, join_eui=JOIN_EUI, app_key=APP_KEY, profile=self.profile)
        self.mac = Mac(
            dev_eui=EUI,
            settings=Settings(data_rate=self.data_rate),
            key=b"key",
            join_keys=JoinKeys(join_eui=JOIN_EUI, app_key=APP_KEY),
            adaptive=True,
        )
        self.events: list[tuple[str, Any]] = []
        self.received: list[Received] = []
        self._count = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    # -- time -----------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def run(self, seconds: float) -> None:
        """Let everything happen that happens within so many seconds."""
        end = self.now + seconds
        while True:
            at = self.core.next_at()
            times = [self.mac.wake_at, end if at is None else at]
            times += [self._due[0][0]] if self._due else []
            if (soonest := min(times)) >= end:
                break
            self.clock.advance(max(0.0, soonest - self.now))
            self._step()
        self.clock.advance(max(0.0, end - self.now))

    def _step(self) -> None:
        soon = self.now + TICK
        while self._due and self._due[0][0] <= soon:
            heapq.heappop(self._due)[2]()
        if self.mac.wake_at <= soon:
            self._carry(self.mac.wake(max(self.now, self.mac.wake_at)))
        for one in self.core.step():
            if isinstance(one, Event):
                self.events.append((one.kind, one.message))
            else:
                assert isinstance(one, Downlink)
                self._transmit(one.frame)

    def _at(self, at: float, work: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, work))

    # -- the air ----------------------------------------------------------------

    def say(self, payload: bytes, *, confirmed: bool = False, then: float = 60.0) -> None:
        """The device has something to say; `then` seconds pass."""
        message = Message(f_port=2, payload=payload, confirmed=confirmed)
        self._carry(self.mac.send(message, self.now))
        self.run(then)

    def _carry(self, sent: Transmission | None) -> None:
        if sent is not None and self.rng.random() >= self.air.up:
            self._at(sent.ends, lambda: self.core.take_uplink(self._heard(sent)))

    def _heard(self, sent: Transmission) -> gw.UplinkFrame:
        frame = gw.UplinkFrame(phy_payload=sent.phy)
        frame.tx_info.frequency = sent.frequency
        lora = frame.tx_info.modulation.lora
        lora.bandwidth = sent.data_rate.bandwidth
        lora.spreading_factor = sent.data_rate.spreading_factor or 0
        lora.code_rate = gw.CR_4_5
        frame.rx_info.gateway_id = GATEWAY
        frame.rx_info.snr = self.air.snr - (MAX_EIRP - sent.eirp)
        frame.rx_info.context = round(sent.ends * 1e6).to_bytes(8)
        return frame

    def _transmit(self, frame: gw.DownlinkFrame) -> None:
        """The gateway sends in the first window that it can, and says so."""
        index = 0 if self.air.rx1 else 1
        item = frame.items[index]
        info = item.tx_info
        at = int.from_bytes(info.context) / 1e6 + info.timing.delay.delay.seconds
        lora = info.modulation.lora
        rate = data_rate_of(lora.spreading_factor, lora.bandwidth)
        assert rate is not None
        assert at > self.now, "too late for the window"
        statuses = [gw.TOO_LATE] * index + [gw.OK]
        ack = gw.DownlinkTxAck(
            gateway_id=frame.gateway_id,
            downlink_id=frame.downlink_id,
            items=[gw.DownlinkTxAckItem(status=status) for status in statuses],
        )
        if self.rng.random() >= self.air.acks:
            self.core.take_tx_ack(ack)
        ends = at + airtime(len(item.phy_payload), rate, crc=False)
        if self.rng.random() < self.air.down:
            return

        def begin() -> None:
            if self.mac.listens(at, info.frequency, rate.index):
                self.mac.catch(ends)
                self._at(ends, lambda: self._hear(item.phy_payload))

        self._at(at, begin)

    def _hear(self, phy: bytes) -> None:
        received = self.mac.hear(phy, self.now, snr=self.air.snr, battery=127)
        if received is not None:
            self.received.append(received)

    # -- what came of it --------------------------------------------------------

    def of(self, kind: str) -> list[Any]:
        return [event for found, event in self.events if found == kind]

    @property
    def link(self) -> Link:
        session = self.core.registry.device(EUI).session
        assert session is not None
        return session.link

    def enqueue(self, payload: bytes, *, confirmed: bool = False) -> None:
        name = f"item {payload.hex()}"
        self.core.enqueue(EUI, Item(id=name, f_port=7, data=payload, confirmed=confirmed))


def test_it_joins_and_learns_the_thai_channels() -> None:
    world = World()
    world.run(60)
    assert world.mac.joined
    assert [len(world.of(kind)) for kind in ("join", "up")] == [1, 0]
    for number in range(3):
        world.say(bytes([number]))
    assert [event.data for event in world.of("up")] == [b"\x00", b"\x01", b"\x02"]
    assert world.mac.settings.channels == THAI_CHANNELS[:8]
    assert set(world.link.extra.values()) == set(THAI_CHANNELS[2:8])


def test_a_call_is_acknowledged_and_ends() -> None:
    world = World()
    world.run(60)
    world.say(b"sos", confirmed=True)
    assert [event.data for event in world.of("up")] == [b"sos"]
    settled = [one.settled for one in world.received if one.settled is not None]
    assert [message.payload for message in settled] == [b"sos"]


def test_a_call_whose_acknowledgement_is_lost_is_repeated_until_the_tries_are_over() -> None:
    world = World()
    world.run(60)
    world.air.down = 1.0
    world.say(b"sos", confirmed=True, then=HOUR)
    assert [event.data for event in world.of("up")] == [b"sos"]
    codes = [event.code for event in world.of("log")]
    # What ChirpStack has seen it does not answer again: nobody tells the wearer.
    assert codes == [integration.UPLINK_F_CNT_RETRANSMISSION] * 7


@pytest.mark.parametrize(
    ("snr", "data_rate", "tx_power"), [(12.0, 5, 4), (3.0, 5, 0), (-8.0, 3, 0)]
)
def test_data_rate_and_power_follow_what_is_heard(
    snr: float, data_rate: int, tx_power: int
) -> None:
    world = World()
    world.air.snr = snr
    world.run(60)
    for number in range(30):
        world.say(bytes([number]), then=600)
    assert (world.mac.settings.data_rate, world.mac.settings.tx_power) == (data_rate, tx_power)
    assert (world.link.dr, world.link.tx_power) == (data_rate, tx_power)
    assert len(world.of("up")) >= 30


@pytest.mark.parametrize("rx1", [True, False])
def test_a_confirmed_downlink_is_heard_once_and_acknowledged(rx1: bool) -> None:
    world = World()
    world.run(60)
    for number in range(4):  # the commands of a new session come first
        world.say(bytes([number]))
    world.air.rx1 = rx1
    world.enqueue(b"*", confirmed=True)
    world.enqueue(b"+")
    world.say(b"a", then=HOUR)
    assert [one.payload for one in world.received if one.f_port == 7] == [b"*", b"+"]
    (ack,) = world.of("ack")
    assert (ack.acknowledged, ack.queue_item_id) == (True, "item 2a")
    assert not world.core.registry.device(EUI).queue


def test_its_state_is_asked_for_and_told() -> None:
    world = World(profile=Profile(statuses=24))
    world.run(60)
    for number in range(5):
        world.say(bytes([number]), then=HOUR + 1)
    found = [(event.battery_level, event.margin) for event in world.of("status")]
    assert len(found) >= 4
    assert set(found) == {(50.0, 8)}


def test_dwell_times_are_the_networks() -> None:
    world = World(network=Network(uplink_dwell=True, downlink_dwell=True))
    world.run(60)
    for number in range(3):
        world.say(bytes([number]))
    assert (world.mac.settings.uplink_dwell, world.mac.settings.downlink_dwell) == (True, True)
    assert (world.link.uplink_dwell, world.link.downlink_dwell) == (True, True)
    assert Cid.TX_PARAM_SETUP not in world.link.pending


def test_a_second_join_makes_a_second_session() -> None:
    world = World()
    world.run(60)
    world.say(b"a")
    world.mac.rejoin(world.now)
    world.run(HOUR)
    world.say(b"b", then=HOUR)
    first, second = world.of("join")
    assert first.dev_addr != second.dev_addr
    assert [(event.dev_addr, event.data) for event in world.of("up")] == [
        (first.dev_addr, b"a"),
        (second.dev_addr, b"b"),
    ]


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    up=st.floats(0, 0.8),
    down=st.floats(0, 0.8),
    acks=st.floats(0, 0.8),
    said=st.lists(st.booleans(), max_size=12),
    queued=st.lists(st.booleans(), max_size=4),
)
def test_whatever_is_lost_nothing_comes_twice_and_all_is_well_again(
    seed: int, up: float, down: float, acks: float, said: list[bool], queued: list[bool]
) -> None:
    world = World(seed=seed)
    world.air.up, world.air.down, world.air.acks = up, down, acks
    world.run(HOUR)
    for number, confirmed in enumerate(queued):
        world.enqueue(bytes([number]), confirmed=confirmed)
    for number, confirmed in enumerate(said):
        world.say(bytes([number]), confirmed=confirmed, then=300)
    world.air = Air()
    world.run(HOUR)
    for _ in range(10):
        world.say(b"after", then=300)
    counts = Counter((event.dev_addr, event.f_cnt) for event in world.of("up"))
    assert set(counts.values()) == {1}
    told = [event.data for event in world.of("up") if event.data and event.data != b"after"]
    assert len(told) == len(set(told))
    heard = [one.payload for one in world.received if one.f_port == 7]
    assert sorted(heard) == heard
    assert len(set(heard)) == len(heard)
    assert sum(event.data == b"after" for event in world.of("up")) == 10
    assert not world.core.registry.device(EUI).queue
    assert set(world.link.extra.values()) == set(THAI_CHANNELS[2:8])
    assert world.mac.settings.channels == THAI_CHANNELS[:8]
