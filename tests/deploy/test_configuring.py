"""A gateway of a running site is configured from afar: real accounts, real ingest, its receipts."""

import asyncio
import json
from pathlib import Path

import pytest

from deploy.access import DEPLOY
from deploy.local import LocalSite, Options
from deploy.ports import ANY
from khaen import configuration, topics
from khaen.configuration import ConfigurationState, Outcome
from khaen.ids import parse_gateway_eui
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from khaen.site.model import Site
from tests.deploy.conftest import ROOF

pytestmark = pytest.mark.end_to_end
EUI = parse_gateway_eui(ROOF)


class Deployer:
    """Whoever configures gateways: publishes documents, and hears what becomes of them.

    Its connection is made again whenever it is lost: amqtt leaves a subscription unanswered at
    times, and is then asked anew.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Queue[Message]()
        self._ready = asyncio.Event()
        self.client = Client(
            settings,
            Session(client_id="deployer", subscriptions=(topics.configuration_state(EUI),)),
            Handlers(message=self._take, connected=self._greet),
        )

    def _take(self, message: Message) -> None:
        self.client.ack(message)
        self._loop.call_soon_threadsafe(self._heard.put_nowait, message)

    def _greet(self) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    async def configure(self, id_: str, settings: dict[str, object]) -> ConfigurationState:
        """Publish a document, and wait for what becomes of it in the end."""
        body = json.dumps({"v": 1, "id": id_, "settings": settings}).encode()
        async with asyncio.timeout(30):
            await self._ready.wait()
            assert self.client.publish(topics.configuration(EUI), body, retain=True)
            while True:
                message = await self._heard.get()
                # amqtt sends along what is retained of other topics (decision 0004).
                if message.topic != topics.configuration_state(EUI):
                    continue
                state = configuration.parse_state(message.payload)
                if state.id == id_ and state.outcome is not Outcome.TRYING:
                    return state


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
async def test_a_gateway_of_a_running_site(site: Site, tmp_path: Path, kind: str) -> None:
    options = Options(ports=ANY, broker=kind)
    local = LocalSite(site, {}, tmp_path / "data", options, say=lambda _: None)
    try:
        await asyncio.to_thread(local.prepare)
        await asyncio.to_thread(local.apply)
        await local.start()
        host, port = local.broker_address
        secret = tmp_path / "deploy"
        secret.write_text(local.credentials.password(DEPLOY))
        deployer = Deployer(
            MqttSettings(host=host, port=port, username=DEPLOY, password_file=secret)
        )
        deployer.client.start()
        try:
            kept = await deployer.configure("slower", {"heartbeat_s": 50})
            assert (kept.outcome, kept.changed) == (Outcome.KEPT, ("heartbeat_s",))
            refused = await deployer.configure("away", {"mqtt": {"host": "localhost"}})
            assert refused.outcome is Outcome.REFUSED
            assert "not from afar without TLS" in (refused.reason or "")
            assert refused.configuration == kept.configuration
        finally:
            await asyncio.to_thread(deployer.client.stop)
    finally:
        await local.stop()
    memory = local.data / "agents" / ROOF / "outbox-remote.json"
    assert memory.stat().st_mode & 0o777 == 0o600
