"""A gateway of a running site is configured from afar: real accounts, real ingest, its receipts."""

import asyncio
import json
from pathlib import Path

import aiomqtt
import pytest

from deploy.access import DEPLOY
from deploy.local import LocalSite, Options
from deploy.ports import ANY
from khaen import configuration, topics
from khaen.configuration import ConfigurationState, Outcome
from khaen.ids import parse_gateway_eui
from khaen.site.model import Site
from tests.deploy.conftest import ROOF

pytestmark = pytest.mark.end_to_end
EUI = parse_gateway_eui(ROOF)


async def configure(
    client: aiomqtt.Client, id_: str, settings: dict[str, object]
) -> ConfigurationState:
    """Publish a document, and wait for what becomes of it in the end."""
    body = json.dumps({"v": 1, "id": id_, "settings": settings})
    await client.publish(topics.configuration(EUI), body, qos=1, retain=True)
    async with asyncio.timeout(20):
        async for message in client.messages:
            # amqtt sends along what is retained of other topics (decision 0004).
            if str(message.topic) != topics.configuration_state(EUI):
                continue
            assert isinstance(message.payload, bytes)
            state = configuration.parse_state(message.payload)
            if state.id == id_ and state.outcome is not Outcome.TRYING:
                return state
    raise AssertionError("the broker closed")


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
async def test_a_gateway_of_a_running_site(site: Site, tmp_path: Path, kind: str) -> None:
    options = Options(ports=ANY, broker=kind)
    local = LocalSite(site, {}, tmp_path / "data", options, say=lambda _: None)
    try:
        await asyncio.to_thread(local.prepare)
        await asyncio.to_thread(local.apply)
        await local.start()
        host, port = local.broker_address
        password = local.credentials.password(DEPLOY)
        async with aiomqtt.Client(
            host, port, username=DEPLOY, password=password, timeout=5,
            protocol=aiomqtt.ProtocolVersion.V311,
        ) as client:  # fmt: skip
            await client.subscribe(topics.configuration_state(EUI), qos=1)
            kept = await configure(client, "slower", {"heartbeat_s": 50})
            assert (kept.outcome, kept.changed) == (Outcome.KEPT, ("heartbeat_s",))
            refused = await configure(client, "away", {"mqtt": {"host": "localhost"}})
            assert refused.outcome is Outcome.REFUSED
            assert "not from afar without TLS" in (refused.reason or "")
            assert refused.configuration == kept.configuration
    finally:
        await local.stop()
    memory = local.data / "agents" / ROOF / "outbox-remote.json"
    assert memory.stat().st_mode & 0o777 == 0o600
