"""A site that joins: devices, radio, gateways and the network server in one simulation."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from chirpstack_api import integration

from khaen.ids import DevEui
from khaen.site.model import Site
from simulators.agenda import AgendaClock
from simulators.bridge import Bridge
from simulators.devices.device import Transmission
from simulators.mac import JoinKeys, Memory
from simulators.network.core import NetworkCore
from simulators.network.device import Item
from simulators.network.output import Event
from simulators.payloads.wristband import FALL_PORT, SOS_PORT, TELEMETRY_PORT, Stage
from simulators.sites.demonstration import CALLER, make_site
from simulators.traffic import Pace, Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
JOIN_EUI = "02" * 8


def app_key(dev_eui: DevEui) -> bytes:
    return sha256(dev_eui.encode()).digest()[:16]


def joining_site() -> Site:
    """The demonstration site with a network server, whose devices have no address of their own."""
    site = make_site(1).site
    devices = tuple(d.model_copy(update={"dev_addr": None}) for d in site.devices)
    lorawan = site.lorawan.model_copy(update={"network_server": True})
    return site.model_copy(update={"devices": devices, "lorawan": lorawan})


@dataclass
class World:
    """Everything, on one agenda."""

    memories: dict[DevEui, Memory] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    sent: list[Transmission] = field(default_factory=list)

    def __post_init__(self) -> None:
        site = joining_site()
        self.traffic = Traffic(
            site,
            {},
            seed=1,
            start=START,
            pace=Pace(wristband=120.0, sensor=120.0),
            join_keys={
                d.dev_eui: JoinKeys(join_eui=JOIN_EUI, app_key=app_key(d.dev_eui))
                for d in site.devices
            },
            memories=self.memories,
        )
        self.core = NetworkCore(AgendaClock(self.traffic.agenda, START), seed="1")
        for gateway in site.gateways:
            self.core.add_gateway(gateway.eui)
        for device in site.devices:
            info = integration.DeviceInfo(dev_eui=device.dev_eui, application_id="a")
            key = app_key(device.dev_eui)
            self.core.add_otaa(info, join_eui=JOIN_EUI, app_key=key)
        self.bridge = Bridge(self.traffic, self.core, self.events.append)
        self.traffic.listen(lambda sent, _hearings: self.sent.append(sent))
        self.caller = self.traffic.residents[CALLER]

    def run(self, until: float) -> None:
        while self.traffic.next_at <= until:
            self.traffic.step()

    def kinds(self) -> Counter[str]:
        return Counter(event.kind for event in self.events)

    def on_port(self, port: int, since: float) -> list[Transmission]:
        return [one for one in self.sent if one.f_port == port and one.at >= since]


def test_every_device_joins_speaks_and_is_given_channels() -> None:
    world = World()
    world.run(600.0)
    nodes = [world.traffic.node(device.dev_eui) for device in joining_site().devices]
    joined = [node for node in nodes if node.mac.joined]
    assert len(joined) >= len(nodes) - 1
    kinds = world.kinds()
    assert kinds["join"] >= len(joined)
    assert kinds["up"] > 3 * len(joined)
    ups = {event.dev_eui for event in world.events if event.kind == "up"}
    assert {node.dev_eui for node in joined} <= ups
    assert sum(len(node.mac.settings.frequencies(2)) == 8 for node in joined) > len(joined) / 2


def test_acknowledged_call_is_not_repeated() -> None:
    world = World()
    world.run(300.0)
    world.traffic.press(CALLER, 300.0)
    world.run(500.0)
    calls = world.on_port(SOS_PORT, 300.0)
    assert 1 <= len(calls) <= 3
    ups = [event for event in world.events if event.kind == "up"]
    messages: list[Any] = [event.message for event in ups if event.dev_eui == world.caller]
    assert next(message.confirmed for message in messages if message.f_port == SOS_PORT)


def test_frames_of_a_fall_end_when_stillness_after_a_minute_is_acknowledged() -> None:
    world = World()
    world.run(300.0)
    world.traffic.fall(CALLER, 300.0, cancel_s=30.0)
    world.run(500.0)
    frames = world.on_port(FALL_PORT, 300.0)
    assert 60.0 <= frames[-1].at - 300.0 < 100.0
    moving = World()
    moving.run(300.0)
    moving.traffic.fall(CALLER, 300.0, cancel_s=30.0, then=Stage.MOVING)
    moving.run(500.0)
    assert 30.0 <= moving.on_port(FALL_PORT, 300.0)[-1].at - 300.0 < 60.0


def test_application_downlink_is_taken_by_the_band_which_says_so_in_its_telemetry() -> None:
    world = World()
    world.run(300.0)
    world.core.enqueue(world.caller, Item(id="one", f_port=13, data=b"\x13\x01"))
    world.bridge.follow()
    world.run(900.0)
    assert world.kinds()["txack"] == 1
    messages: list[Any] = [e.message for e in world.events if e.kind == "up"]
    of_caller = [m for m in messages if m.device_info.dev_eui == world.caller]
    # docs/wristband-payload.md: byte 10, bits 7-4 hold the number of the last downlink.
    answers = [m.data[10] >> 4 for m in of_caller if m.f_port == TELEMETRY_PORT]
    assert answers == sorted(answers)
    assert (answers[0], answers[-1]) == (0, 3)


@pytest.mark.parametrize("remembers", [True, False])
def test_second_run_is_let_in_where_it_remembers_the_nonces_of_the_first(remembers: bool) -> None:
    first = World()
    first.run(60.0)
    second = World(memories=first.traffic.memories() if remembers else {})
    for dev_eui in first.traffic.memories():
        for_first, for_second = (w.core.registry.find(dev_eui) for w in (first, second))
        assert for_first is not None
        assert for_second is not None
        for_second.nonces |= for_first.nonces
    second.run(60.0)
    refused = [event for event in second.events if "DevNonce" in str(event.message)]
    assert bool(refused) is not remembers
    assert second.kinds()["join"] > 30


def test_same_seed_gives_the_same_world() -> None:
    def story() -> list[tuple[str, bytes]]:
        world = World()
        world.traffic.press(CALLER, 100.0)
        world.run(200.0)
        return [
            *((one.dev_eui, one.phy) for one in world.sent),
            *((event.topic, event.message.SerializeToString()) for event in world.events),
        ]

    assert story() == story()
