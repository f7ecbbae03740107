"""Exchanges that cite ChirpStack's source, played with the stand-in, or with ChirpStack itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from khaen.mqtt import MqttSettings
from simulators.network import chirpstack
from simulators.network.chirpstack import ChirpStack
from simulators.network.plan import Network
from tests.simulators.exchanges import EXCHANGES, Player, load
from tests.support.broker import Mosquitto
from tests.support.network_server import Caller, Listener, Start, network_server, stand_in

__all__ = ["network_server", "stand_in"]


@pytest.mark.parametrize("name", EXCHANGES)
async def test_exchange(
    name: str, mosquitto: Callable[..., Mosquitto], network_server: Start
) -> None:
    exchange = load(name)
    broker = mosquitto()
    network = Network(mac_commands=exchange.get("mac_commands", True))
    server = await network_server(broker, network=network)
    async with Caller(server) as caller, Listener(broker.port) as listener:
        await Player(caller, listener).play(exchange["steps"])


@pytest.mark.conformance
@pytest.mark.parametrize("name", EXCHANGES)
async def test_exchange_with_chirpstack_itself(
    name: str, mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    programs = chirpstack.find()
    assert programs is not None, "chirpstack (its SQLite build) and redis-server must be on PATH"
    exchange = load(name)
    broker = mosquitto()
    network = Network(mac_commands=exchange.get("mac_commands", True))
    server = ChirpStack(
        MqttSettings(port=broker.port), tmp_path / "cs", programs=programs, network=network
    )
    await server.start()
    try:
        async with Caller(server) as caller, Listener(broker.port) as listener:
            await Player(caller, listener).play(exchange["steps"])
    finally:
        await server.stop()
