"""The stand-in as a program: a real broker, a device of another implementation, and its API."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pamoja.lorawan as other
import pytest
from chirpstack_api import api, common, gw, integration
from google.protobuf import json_format

from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.mqtt import MqttSettings
from simulators.network.encoding import as_json
from simulators.network.plan import Network
from simulators.network_server import NetworkServer
from tests.support.broker import Mosquitto
from tests.support.network_server import Caller, Listener, network_server, stand_in
from tests.support.programs import wait_for

__all__ = ["network_server", "stand_in"]

EUI, JOIN_EUI, GATEWAY = "a1b2c3d4e5f60708", "01" * 8, GatewayEui("0016c001f153a14c")
APP_KEY = bytes(range(1, 17))
INFO = integration.DeviceInfo(application_id=str(uuid.UUID(int=7)), dev_eui=EUI)
Make = Callable[..., Mosquitto]
StandIn = Callable[..., Awaitable[NetworkServer]]


def heard(phy: bytes) -> gw.UplinkFrame:
    frame = gw.UplinkFrame(phy_payload=phy)
    frame.tx_info.frequency = 923_200_000
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.spreading_factor = 9
    frame.tx_info.modulation.lora.code_rate = gw.CR_4_5
    frame.rx_info.gateway_id, frame.rx_info.context = GATEWAY, b"\x00\x00\x00\x01"
    frame.rx_info.metadata["khaen_origin"] = "simulated"
    return frame


class Radio:
    """A gateway and what the network server says, in one encoding."""

    def __init__(self, listener: Listener, *, json: bool) -> None:
        self._listener, self._json = listener, json
        self._kinds = {
            "up": integration.UplinkEvent,
            "join": integration.JoinEvent,
            "ack": integration.AckEvent,
            "txack": integration.TxAckEvent,
            "down": gw.DownlinkFrame,
        }

    async def say(self, kind: str, message: Any) -> None:
        payload = as_json(message) if self._json else message.SerializeToString()
        await self._listener.publish(f"as923/gateway/{GATEWAY}/event/{kind}", payload)

    async def hear(self, *kinds: str) -> list[Any]:
        """The next messages, which must be of these kinds, in any order: in the kinds' order."""
        found: dict[str, Any] = {}
        while len(found) < len(kinds):
            topic, payload = await self._listener.next()
            kind = topic.rpartition("/")[2]
            assert kind in kinds, (kind, payload)
            message = self._kinds[kind]()
            if self._json:
                json_format.Parse(payload, message)
            else:
                message.ParseFromString(payload)
            found[kind] = message
        return [found[kind] for kind in kinds]

    async def send(self, down: gw.DownlinkFrame) -> bytes:
        """Send RX1 and say so."""
        item = gw.DownlinkTxAckItem(status=gw.OK)
        ack = gw.DownlinkTxAck(gateway_id=GATEWAY, downlink_id=down.downlink_id, items=[item])
        await self.say("ack", ack)
        return bytes(down.items[0].phy_payload)


@pytest.mark.parametrize("json", [True, False])
async def test_a_device_joins_speaks_is_acknowledged_and_is_spoken_to(
    mosquitto: Make, stand_in: StandIn, json: bool
) -> None:
    broker = mosquitto()
    server = await stand_in(broker, json=json, network=Network(mac_commands=False))
    server.core.add_gateway(GATEWAY)
    server.core.add_otaa(INFO, join_eui=JOIN_EUI, app_key=APP_KEY)
    device = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), APP_KEY)
    async with Listener(broker.port) as listener:
        radio = Radio(listener, json=json)
        await radio.say("up", heard(bytes(device.join_request(1))))
        down, _ = await radio.hear("down", "join")
        session = device.accept_join(await radio.send(down), 1).session()

        await radio.say("up", heard(bytes(session.encode_uplink(0, 2, b"sos", confirmed=True))))
        up, down = await radio.hear("up", "down")
        assert (up.data, up.confirmed, up.rx_info[0].gateway_id) == (b"sos", True, GATEWAY)
        assert session.decode(await radio.send(down), 0).ack

        command = integration.DownlinkCommand(dev_eui=EUI, f_port=7, data=b"*", confirmed=True)
        payload = as_json(command) if json else command.SerializeToString()
        topic = f"application/{INFO.application_id}/device/{EUI}/command/down"
        await listener.publish(topic, payload)
        await radio.say("up", heard(bytes(session.encode_uplink(1, 2, b"a"))))
        _, down = await radio.hear("up", "down")
        assert session.decode(await radio.send(down), 1).payload == b"*"
        (txack,) = await radio.hear("txack")
        assert txack.f_cnt_down == 1
        await radio.say("up", heard(bytes(session.encode_uplink(2, 2, b"a", ack=True))))
        _, ack = await radio.hear("up", "ack")
        assert (ack.acknowledged, ack.queue_item_id) == (True, txack.queue_item_id)


async def test_what_was_not_told_is_told_when_the_broker_is_back(
    mosquitto: Make, stand_in: StandIn
) -> None:
    broker = mosquitto()
    server = await stand_in(broker, network=Network(mac_commands=False), api_port=None)
    server.core.add_gateway(GATEWAY)
    server.core.add_otaa(INFO, join_eui=JOIN_EUI, app_key=APP_KEY)
    device = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), APP_KEY)
    server.core.take_uplink(heard(bytes(device.join_request(1))))
    await asyncio.to_thread(broker.kill)

    def gone() -> bool:
        return server.core.next_at() is None and not server.connected

    await asyncio.to_thread(wait_for, gone, "the join is answered and the broker missed")
    await asyncio.to_thread(broker.start)
    async with Listener(broker.port) as listener:
        found = {topic.rpartition("/")[2] for topic in [(await listener.next())[0]]}
        found.add((await listener.next())[0].rpartition("/")[2])
    assert found == {"down", "join"}


async def test_started_again_it_goes_on_with_what_it_knew(
    mosquitto: Make, stand_in: StandIn
) -> None:
    server = await stand_in(mosquitto())
    async with Caller(server) as caller:
        await provision(caller)
    await server.stop()
    off = server.connected
    await server.start()
    assert (off, server.connected) == (False, True)
    async with Caller(server) as caller:
        found = await caller.call("DeviceService/Get", api.GetDeviceRequest(dev_eui=EUI))
    assert found.device.name == "d"


async def test_a_taken_port_is_said_and_nothing_stays(
    mosquitto: Make, stand_in: StandIn, free_port: int
) -> None:
    broker = mosquitto()
    await stand_in(broker, api_port=free_port)
    other_one = NetworkServer(MqttSettings(port=broker.port), api_port=free_port, name="other")
    with pytest.raises(NotRunnable, match=str(free_port)):
        await other_one.start()


async def test_a_broker_that_is_not_there_is_said_and_nothing_stays(free_port: int) -> None:
    server = NetworkServer(MqttSettings(port=free_port), seed="test", api_port=0)
    with pytest.raises(TimeoutError):
        await server.start(within=0.3)


async def test_a_password_and_shared_subscriptions(
    mosquitto: Make, stand_in: StandIn, tmp_path: Path
) -> None:
    broker = mosquitto(users={"chirpstack": "secret"})
    file = tmp_path / "password"
    file.write_text("secret\n")
    mqtt = MqttSettings(port=broker.port, username="chirpstack", password_file=file)
    server = await stand_in(broker, mqtt=mqtt, shared=True, api_port=None)
    assert server.connected


async def provision(caller: Caller) -> str:
    """A tenant, an application, a profile and a device with keys; the profile's id."""
    tenant = api.Tenant(name="t", can_have_gateways=True)
    made = await caller.call("TenantService/Create", api.CreateTenantRequest(tenant=tenant))
    application = api.Application(name="a", tenant_id=made.id, tags={"kind": "x", "a": "1"})
    app = await caller.call(
        "ApplicationService/Create", api.CreateApplicationRequest(application=application)
    )
    profile = api.DeviceProfile(
        name="p",
        tenant_id=made.id,
        region=common.AS923,
        supports_otaa=True,
        tags={"kind": "y"},
    )
    kind = await caller.call(
        "DeviceProfileService/Create", api.CreateDeviceProfileRequest(device_profile=profile)
    )
    device = api.Device(dev_eui=EUI, name="d", application_id=app.id, device_profile_id=kind.id)
    await caller.call("DeviceService/Create", api.CreateDeviceRequest(device=device))
    keys = api.DeviceKeys(dev_eui=EUI, nwk_key=APP_KEY.hex())
    await caller.call("DeviceService/CreateKeys", api.CreateDeviceKeysRequest(device_keys=keys))
    gateway = api.Gateway(gateway_id=GATEWAY, name="g", tenant_id=made.id, stats_interval=30)
    await caller.call("GatewayService/Create", api.CreateGatewayRequest(gateway=gateway))
    return str(kind.id)


async def test_a_device_made_by_the_api_joins_and_its_session_is_given(
    mosquitto: Make, stand_in: StandIn
) -> None:
    broker = mosquitto()
    server = await stand_in(broker)
    async with Caller(server) as caller, Listener(broker.port) as listener:
        await provision(caller)
        request = api.GetDeviceActivationRequest(dev_eui=EUI)
        before = await caller.call("DeviceService/GetActivation", request)
        assert not before.HasField("device_activation")
        device = other.device(bytes.fromhex(EUI), bytes.fromhex(JOIN_EUI), APP_KEY)
        radio = Radio(listener, json=True)
        await radio.say("up", heard(bytes(device.join_request(1))))
        down, join = await radio.hear("down", "join")
        assert dict(join.device_info.tags) == {"kind": "y", "a": "1"}
        session = device.accept_join(await radio.send(down), 1).session()
        activation = (await caller.call("DeviceService/GetActivation", request)).device_activation
        same = other.session(
            int(activation.dev_addr, 16),
            bytes.fromhex(activation.nwk_s_enc_key),
            bytes.fromhex(activation.app_s_key),
        )
        assert same.encode_uplink(5, 2, b"x") == session.encode_uplink(5, 2, b"x")


async def test_failures_on_demand_and_calls_without_the_token(
    mosquitto: Make, stand_in: StandIn
) -> None:
    server = await stand_in(mosquitto())
    assert server.api is not None
    listing = api.ListTenantsRequest(limit=10)

    async with Caller(server) as caller:

        async def status(token: str | None = None) -> str:
            return await caller.status("TenantService/List", listing, token=token)

        assert [await status(""), await status("wrong")] == ["UNAUTHENTICATED"] * 2
        server.api.failures.demand("TenantService/List", "UNAVAILABLE", times=2)
        assert [await status() for _ in range(3)] == ["UNAVAILABLE", "UNAVAILABLE", "OK"]
        server.api.failures.demand("TenantService/List", delay_s=0.01)
        assert await status() == "OK"
    with pytest.raises(ValueError, match="NONSENSE"):
        server.api.failures.demand("TenantService/List", "NONSENSE")


async def test_what_it_does_not_know_is_unimplemented(mosquitto: Make, stand_in: StandIn) -> None:
    server = await stand_in(mosquitto())
    async with Caller(server) as caller:
        request = api.GetDeviceMetricsRequest()
        assert await caller.status("DeviceService/GetMetrics", request) == "UNIMPLEMENTED"
