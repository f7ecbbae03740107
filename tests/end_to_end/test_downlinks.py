"""The loop closed by real processes: a device joins through an agent, and hears its answers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chirpstack_api import gw, integration

from khaen.clock import SystemClock
from khaen.mqtt import Message
from simulators.network.device import Item
from simulators.network_server import NetworkServer
from simulators.payloads.wristband import SOS_PORT
from simulators.served import register
from simulators.sites.made_up import make_up
from simulators.sites.twin import Simulated
from simulators.traffic import Pace, Traffic
from simulators.twin import Twin
from tests.edge.agent import Listener, listening, running, write_config
from tests.edge.fixtures import GATEWAY
from tests.simulators.agent import until
from tests.support.broker import Mosquitto
from tests.support.network_server import stand_in

__all__ = ["stand_in"]

pytestmark = pytest.mark.end_to_end

SEED = 1
RESIDENT = "R-0001"
ACCEPTED = bytes((0x15, 1))
"""docs/wristband-payload.md, port 13: version 1, downlink 5, accepted."""
SOON_S = 30.0


def make_site() -> Simulated:
    """One gateway, one elder with a wristband that has no session."""
    made = make_up(SEED, elders=1, gateways=1, sensors=0, otaa=True)
    (gateway,) = made.site.gateways
    gateways = (gateway.model_copy(update={"eui": GATEWAY}),)
    site = made.site.model_copy(update={"gateways": gateways})
    return Simulated(site=site, keys=made.keys, join_keys=made.join_keys)


@asynccontextmanager
async def on_air(simulated: Simulated, agent: int) -> AsyncIterator[Twin]:
    """The site's radio, into an agent that listens on this port."""
    traffic = Traffic(
        simulated.site,
        simulated.keys,
        seed=SEED,
        start=datetime.now(UTC),
        pace=Pace(wristband=2.0, first=0.5),
        join_keys=simulated.join_keys,
    )
    gateways = {gateway.eui: gateway for gateway in simulated.site.gateways}
    twin = Twin(traffic, gateways, {GATEWAY: ("127.0.0.1", agent)}, SystemClock())
    task = asyncio.create_task(twin.run())
    try:
        yield twin
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def of(listener: Listener, kind: str) -> list[Message]:
    """What the network server told applications, of one kind."""
    return [m for m in list(listener.messages) if m.topic.endswith(f"/event/{kind}")]


async def test_a_device_joins_calls_and_is_answered(
    mosquitto: Callable[..., Mosquitto],
    stand_in: Callable[..., Awaitable[NetworkServer]],
    tmp_path: Path,
) -> None:
    simulated, broker = make_site(), mosquitto()
    (band,) = simulated.join_keys
    topics = ("application/+/device/+/event/+", f"as923/gateway/{GATEWAY}/event/ack")
    with (
        running(write_config(tmp_path, broker.port, simulated=True)) as agent,
        listening(broker.port, *topics) as listener,
    ):
        server = await stand_in(broker, json=False)
        register(server.core, simulated)
        async with on_air(simulated, agent.udp) as twin:
            node, elder = twin.traffic.node(band), twin.traffic.elder(RESIDENT)
            await until(lambda: bool(of(listener, "up")), SOON_S)  # it heard the accept, and speaks
            assert len(of(listener, "join")) == 1

            item = Item(id=str(uuid.uuid4()), f_port=13, data=ACCEPTED)
            twin.traffic.press(RESIDENT, twin.now)
            twin.look_again()
            await until(lambda: SOS_PORT in node.calls and elder.waiting)
            server.core.enqueue(band, item)
            await until(lambda: not node.calls, SOON_S)  # repeated for 3 minutes otherwise
            ups = [integration.UplinkEvent.FromString(m.payload) for m in of(listener, "up")]
            assert [up.confirmed for up in ups if up.f_port == SOS_PORT] == [True]
            await until(lambda: not elder.waiting, SOON_S)
            await until(lambda: bool(of(listener, "txack")))
            (told,) = of(listener, "txack")
            event = integration.TxAckEvent.FromString(told.payload)
            assert (event.queue_item_id, event.gateway_id) == (item.id, GATEWAY)
    acks = [
        gw.DownlinkTxAck.FromString(m.payload)
        for m in listener.messages
        if m.topic.startswith("as923/")
    ]
    assert len(acks) >= 2  # of the join accept, and of what the call was answered with
    assert {tuple(item.status for item in ack.items) for ack in acks} == {(gw.OK, gw.IGNORED)}
    assert not of(listener, "log")
