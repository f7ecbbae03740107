"""The broker: who comes in, and what each may say and read, with both of its kinds."""

import asyncio
import base64
import hashlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import psutil
import pytest

from deploy import broker
from deploy.access import (
    DEPLOY,
    INGEST,
    NETWORK_SERVER,
    RECORDER,
    Credentials,
    accounts,
    gateway_account,
)
from deploy.amqtt_broker import covers
from deploy.process import Command, Process
from khaen import topics
from khaen.errors import NotRunnable
from khaen.ids import parse_gateway_eui
from khaen.site.model import Site
from tests.deploy.conftest import MAST, ROOF
from tests.support.ports import find_free_port

HOST = "127.0.0.1"
ROOF_ACCOUNT = gateway_account(parse_gateway_eui(ROOF))


class Running:
    """A broker of one kind, and clients of it."""

    def __init__(self, folder: Path, process: Process, credentials: Credentials, port: int) -> None:
        self.folder, self.process, self.credentials, self.port = folder, process, credentials, port

    def client(self, name: str, password: str | None = None) -> aiomqtt.Client:
        return aiomqtt.Client(
            HOST,
            self.port,
            username=name,
            password=password or self.credentials.password(name),
            identifier=f"test-{name}-{id(object())}",
            protocol=aiomqtt.ProtocolVersion.V311,
            timeout=5,
        )


@pytest.fixture(params=["mosquitto", "amqtt"])
async def running(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path
) -> AsyncIterator[Running]:
    credentials, port = Credentials(folder=tmp_path / "clients"), find_free_port()
    made = broker.prepare(
        tmp_path / "broker", request.param, (HOST, port), accounts(site), credentials
    )
    assert made.kind == request.param
    command = Command(
        name="broker", arguments=made.command, announces=made.announces, address=(HOST, port)
    )
    process = Process(command, tmp_path / "broker.log", print, print)
    await process.start()
    yield Running(tmp_path, process, credentials, port)
    await process.stop(asyncio.get_running_loop().time() + 3)


async def hear(client: aiomqtt.Client, until: str) -> list[str]:
    """The payloads that come, up to one that says `until`."""
    heard = []
    async with asyncio.timeout(5):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard.append(message.payload.decode())
            if heard[-1] == until:
                break
    return heard


async def test_a_gateway_speaks_for_itself_only(running: Running) -> None:
    async with running.client(INGEST) as ingest, running.client(ROOF_ACCOUNT) as roof:
        for topic in ("+/gateway/+/event/up", "khaen/gateway/+/backlog", "khaen/gateway/+/status"):
            await ingest.subscribe(topic, qos=1)
        for topic, text in (
            (f"as923/gateway/{ROOF}/event/up", "own live"),
            (f"as923/gateway/{MAST}/event/up", "another's live"),
            (f"khaen/gateway/{MAST}/backlog", "another's backlog"),
            (f"eu868/gateway/{ROOF}/event/up", "another region"),
            (f"khaen/gateway/{ROOF}/backlog", "own backlog"),
            (f"khaen/gateway/{ROOF}/receipt", "ingest's part"),
            (f"khaen/gateway/{ROOF}/status", "own status"),
        ):
            await roof.publish(topic, text.encode(), qos=1)
        assert await hear(ingest, "own status") == ["own live", "own backlog", "own status"]


async def test_a_gateway_reads_its_own_only(running: Running) -> None:
    async with running.client(INGEST) as ingest, running.client(ROOF_ACCOUNT) as roof:
        await roof.subscribe(f"khaen/gateway/{ROOF}/receipt", qos=1)
        await roof.subscribe("khaen/priority", qos=1)
        # mosquitto grants these and delivers nothing of them, amqtt refuses them.
        for topic in (f"khaen/gateway/{MAST}/receipt", "khaen/gateway/+/receipt", "#"):
            await roof.subscribe(topic, qos=1)
        for topic, text in (
            (f"khaen/gateway/{MAST}/receipt", "another's"),
            (f"khaen/gateway/{ROOF}/receipt", "own"),
            ("khaen/priority", "for all"),
        ):
            await ingest.publish(topic, text.encode(), qos=1, retain=True)
        assert set(await hear(roof, "for all")) == {"own", "for all"}


async def test_the_network_server_says_what_devices_said(running: Running) -> None:
    event = "application/a/device/24e124535b000001/event/up"
    async with running.client(INGEST) as ingest, running.client(NETWORK_SERVER) as server:
        await ingest.subscribe("application/+/device/+/event/+", qos=1)
        await ingest.subscribe("khaen/gateway/+/backlog", qos=1)
        await server.publish(f"khaen/gateway/{ROOF}/backlog", b"a forged frame", qos=1)
        await server.publish(event, b"an event", qos=1)
        assert await hear(ingest, "an event") == ["an event"]


async def test_the_recorder_reads_all_but_configurations_and_says_nothing(running: Running) -> None:
    async with (
        running.client(RECORDER) as recorder,
        running.client(INGEST) as ingest,
        running.client(ROOF_ACCOUNT) as roof,
    ):
        for topic in (*topics.ALL, f"khaen/gateway/{ROOF}/config"):
            await recorder.subscribe(topic, qos=1)
        await ingest.subscribe("khaen/gateway/+/backlog", qos=1)
        await recorder.publish(f"khaen/gateway/{ROOF}/backlog", b"a forged frame", qos=1)
        await roof.publish(f"khaen/gateway/{ROOF}/backlog", b"a frame", qos=1)
        assert await hear(ingest, "a frame") == ["a frame"]
        await ingest.publish(f"khaen/gateway/{ROOF}/receipt", b"a receipt", qos=1, retain=True)
        await ingest.publish("khaen/priority", b"a list", qos=1)
        assert await hear(recorder, "a list") == ["a frame", "a receipt", "a list"]


async def test_only_deploy_configures_a_gateway_and_only_that_one_hears_it(
    running: Running,
) -> None:
    own = f"khaen/gateway/{ROOF}/config"
    async with (
        running.client(DEPLOY) as deploy,
        running.client(ROOF_ACCOUNT) as roof,
        running.client(gateway_account(parse_gateway_eui(MAST))) as mast,
        running.client(INGEST) as ingest,
        running.client(RECORDER) as recorder,
    ):
        for client in (roof, mast, ingest, recorder):
            await client.subscribe(own, qos=1)
        await mast.subscribe(f"khaen/gateway/{MAST}/config", qos=1)
        await deploy.subscribe(f"{own}/state", qos=1)
        for client in (roof, mast, ingest, recorder):
            await client.publish(own, b"a stranger's", qos=1)
        for client in (deploy, mast, ingest, recorder):
            await client.publish(f"{own}/state", b"a stranger's", qos=1)
        await deploy.publish(own, b"settings", qos=1, retain=True)
        await deploy.publish(f"khaen/gateway/{MAST}/config", b"the mast's", qos=1, retain=True)
        await roof.publish(f"{own}/state", b"kept", qos=1, retain=True)
        assert await hear(roof, "settings") == ["settings"]
        assert await hear(mast, "the mast's") == ["the mast's"]
        assert await hear(deploy, "kept") == ["kept"]


@pytest.mark.parametrize("name", [INGEST, "stranger", ""])
async def test_nobody_comes_in_without_the_password(running: Running, name: str) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with running.client(name, "guess"):
            pass


async def test_a_password_stays_over_restarts_and_off_command_lines(
    running: Running, site: Site
) -> None:
    password = running.credentials.password(INGEST)
    assert Credentials(folder=running.folder / "clients").password(INGEST) == password
    assert len({running.credentials.password(a.name) for a in accounts(site)}) == 7
    process = psutil.Process(running.process.pid)
    assert password not in " ".join([*process.cmdline(), str(process.environ())])
    assert password.encode() not in b"".join(
        file.read_bytes() for file in (running.folder / "broker").iterdir() if file.is_file()
    )
    for file in running.folder.rglob("*"):
        if file.is_file() and file.name != "mosquitto.db":
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


async def test_it_listens_on_loopback_only(running: Running) -> None:
    listening = [
        c.laddr.ip
        for c in psutil.Process(running.process.pid).net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {HOST}


def test_hashes_are_mosquittos() -> None:
    made = broker.hash_password("secret", b"0123456789ab")
    _, kind, count, salt, digest = made.split("$")
    assert (kind, count, base64.b64decode(salt)) == ("7", "101", b"0123456789ab")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", b"0123456789ab", 101)
    assert base64.b64decode(digest) == expected


def test_without_mosquitto_it_is_amqtt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert broker.choose() == "mosquitto"
    assert broker.choose("amqtt") == "amqtt"
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    assert broker.choose() == "amqtt"
    with pytest.raises(NotRunnable, match="apt-get install mosquitto"):
        broker.choose("mosquitto")
    with pytest.raises(NotRunnable, match="there are: auto, mosquitto, amqtt"):
        broker.choose("emqx")
    monkeypatch.setattr(broker, "_has_amqtt", lambda: False)
    with pytest.raises(NotRunnable, match="neither mosquitto nor amqtt"):
        broker.choose()


@pytest.mark.parametrize(
    ("allowed", "wanted", "within"),
    [
        ("a/+/b", "a/x/b", True),
        ("a/+/b", "a/+/b", True),
        ("a/x/b", "a/+/b", False),
        ("a/+/b", "a/#", False),
        ("a/+/b", "#", False),
        ("a/+/+", "a/x/#", False),
        ("a/+", "a/x/b", False),
    ],
)
def test_filters_within_filters(allowed: str, wanted: str, within: bool) -> None:
    assert covers(allowed, wanted) is within
