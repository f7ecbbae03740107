"""A network server for the tests of any room: ChirpStack where it is on PATH, else the stand-in."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiomqtt
import grpc
import pytest
from chirpstack_api import api, gw

from khaen.mqtt import MqttSettings
from simulators.network import chirpstack
from simulators.network.chirpstack import ChirpStack
from simulators.network.plan import Network
from simulators.network_server import NetworkServer
from tests.support.broker import Mosquitto

SERVICES = {
    "TenantService": api.TenantServiceStub,
    "ApplicationService": api.ApplicationServiceStub,
    "DeviceProfileService": api.DeviceProfileServiceStub,
    "DeviceService": api.DeviceServiceStub,
    "GatewayService": api.GatewayServiceStub,
}
ANSWER_S = 10.0
START_S = 30.0
T = TypeVar("T")


class Caller:
    """Calls a network server's API as any client would."""

    def __init__(self, server: NetworkServer | ChirpStack) -> None:
        self._channel = grpc.aio.insecure_channel(server.api_address)
        self._token = server.api_token

    async def call(self, method: str, request: Any, *, token: str | None = None) -> Any:
        """Call `DeviceService/Get`, with the server's token if not with another, or none ("").

        Raises grpc.aio.AioRpcError.
        """
        service, name = method.split("/")
        stub = SERVICES[service](self._channel)
        bearer = self._token if token is None else token
        metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
        return await getattr(stub, name)(request, metadata=metadata, timeout=ANSWER_S)

    async def status(self, method: str, request: Any, *, token: str | None = None) -> str:
        """Call, and tell with which status it ended (`OK`, `NOT_FOUND`)."""
        try:
            await self.call(method, request, token=token)
        except grpc.aio.AioRpcError as error:
            # The error itself would keep the call's socket for as long as anybody keeps it.
            return str(error.code().name)
        return "OK"

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._channel.close()


class Listener:
    """Publishes as gateways and applications do, and keeps what the network server says."""

    def __init__(self, port: int, *, name: str = "listener") -> None:
        self._client = aiomqtt.Client(
            "127.0.0.1", port, identifier=name, protocol=aiomqtt.ProtocolVersion.V5
        )
        self._kept: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(1_000)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listener":
        await self._client.__aenter__()
        for topic in ("application/+/device/+/event/+", "+/gateway/+/command/+"):
            await self._client.subscribe(topic, qos=1)
        self._task = asyncio.create_task(self._listen(), name="listener")
        return self

    async def __aexit__(self, *error: Any) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._client.__aexit__(*error)

    async def _listen(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            await self._kept.put((message.topic.value, message.payload))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish, QoS 1; returns when the broker has it."""
        await self._client.publish(topic, payload, qos=1, timeout=ANSWER_S)

    async def next(self) -> tuple[str, bytes]:
        """The next message. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_S):
            return await self._kept.get()

    async def down(self) -> gw.DownlinkFrame:
        """The next downlink in protobuf, passing events by. Raises TimeoutError."""
        while True:
            topic, payload = await self.next()
            if topic.endswith("/command/down"):
                return gw.DownlinkFrame.FromString(payload)


@contextmanager
def serving(port: int, **settings: Any) -> Iterator[Callable[[Callable[[NetworkServer], T]], T]]:
    """A stand-in on a broker, in a thread of its own, for tests without a loop.

    Gives `ask(work)`: call `work` with the server in its thread, and return what it returns.
    """
    mqtt = MqttSettings(port=port)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in network server")
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(START_S)

    async def start() -> NetworkServer:
        server = NetworkServer(mqtt, **{"seed": "test", **settings})
        await server.start()
        return server

    async def do(work: Callable[[NetworkServer], T], server: NetworkServer) -> T:
        return work(server)

    try:
        server = run(start())
        try:
            yield lambda work: run(do(work, server))
        finally:
            run(server.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


Start = Callable[..., Awaitable[NetworkServer | ChirpStack]]


@pytest.fixture
async def stand_in() -> AsyncIterator[Callable[..., Awaitable[NetworkServer]]]:
    """Starts stand-ins, `await stand_in(mosquitto, json=False)`; stops them all."""
    servers: list[NetworkServer] = []

    async def start(broker: Mosquitto, **settings: Any) -> NetworkServer:
        mqtt = settings.pop("mqtt", MqttSettings(host=broker.host, port=broker.port))
        server = NetworkServer(mqtt, **{"seed": "test", "api_port": 0, **settings})
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def network_server(
    stand_in: Callable[..., Awaitable[NetworkServer]], tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts network servers, `await network_server(mosquitto, network=…, json=…)`."""
    running: list[ChirpStack] = []
    programs = chirpstack.find()

    async def start(
        broker: Mosquitto, *, network: Network | None = None, json: bool = True
    ) -> NetworkServer | ChirpStack:
        if programs is None:
            return await stand_in(broker, network=network, json=json)
        folder = tmp_path / f"chirpstack-{len(running)}"
        mqtt = MqttSettings(host=broker.host, port=broker.port)
        server = ChirpStack(mqtt, folder, programs=programs, network=network, json=json)
        await server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        await server.stop()
