"""A site on this machine, with its real processes."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import psutil
import pytest

from deploy.access import INGEST
from deploy.local import LocalSite, Options
from deploy.ports import ANY, Wanted
from deploy.process import Process
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui, parse_gateway_eui
from khaen.site.model import Site
from tests.deploy.conftest import MAST, ROOF
from tests.support.ports import find_free_port

pytestmark = pytest.mark.end_to_end

NAMES = ["broker", "console", "alarms", "ingest", f"edge-{ROOF}", f"edge-{MAST}"]


class Make:
    """Makes sites in folders of the test's own, and hears what they say."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.said: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, data: str = "data", **options: Any) -> LocalSite:
        given = Options(**{"ports": ANY, **options})
        return LocalSite(self.site, {}, self.folder / data, given, say=self._say)

    def _say(self, text: str) -> None:
        self.said.append(text)
        self._changed.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(20):
            while text not in self.said:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def make(site: Site, tmp_path: Path) -> Make:
    return Make(site, tmp_path)


@asynccontextmanager
async def running(local: LocalSite) -> AsyncIterator[LocalSite]:
    try:
        await asyncio.to_thread(local.prepare)
        await asyncio.to_thread(local.apply)
        await local.start()
        yield local
    finally:
        await local.stop()


async def pull(address: tuple[str, int]) -> bytes:
    """What an agent answers to a packet forwarder's PULL_DATA (Semtech PROTOCOL.md, 5.2)."""

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.sendto(b"\x02\x12\x34\x02" + bytes.fromhex(ROOF), address)
            return udp.recv(64)

    return await asyncio.to_thread(ask)


async def test_everything_works_and_nothing_is_left(make: Make) -> None:
    local = make()
    async with running(local):
        assert [p.name for p in local.processes] == NAMES
        pids = [p.pid for p in local.processes]
        assert all(pids)
        assert await pull(local.udp_address(parse_gateway_eui(ROOF))) == b"\x02\x12\x34\x04"
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{local.console_url}/sign-in")).status_code == 200
            for name in ("alarms", "ingest"):
                assert (await client.get(local.addresses[name])).status_code == 200
        assert [line.split()[0] for line in make.said] == NAMES
        assert f"{local.broker_address[1]} (mosquitto)" in make.said[0]
        began = asyncio.get_running_loop().time()
        await local.stop()
        assert asyncio.get_running_loop().time() - began < 5
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    secret = local.data / "khaen.toml"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert local.data.stat().st_mode & 0o777 == 0o700
    written = list(local.data.rglob("*"))
    assert {"outbox.sqlite", "series.sqlite", "ledger.sqlite", "lock"} <= {f.name for f in written}
    assert not [file for file in written if file.stat().st_mode & 0o077]


async def test_sources_stop_first_and_sinks_last(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, stopped, stop = make(), [], Process.stop

    async def noting(self: Process, deadline: float) -> None:
        alive = self.pid is not None
        await stop(self, deadline)
        if alive:
            stopped.append(self.name)

    monkeypatch.setattr(Process, "stop", noting)
    async with running(local):
        pass
    assert set(stopped[:2]) == {f"edge-{ROOF}", f"edge-{MAST}"}
    assert stopped[2] == "ingest"
    assert set(stopped[3:]) == {"broker", "console", "alarms"}


async def test_a_second_site_beside_the_first(make: Make) -> None:
    async with running(make("one")) as one:
        with pytest.raises(NotRunnable, match=r"in use by another khaen \(process \d+\)"):
            make("one").prepare()
        with pytest.raises(NotRunnable, match=r"broker: 127.0.0.1:\d+ is taken .*--mqtt-port"):
            make("two", ports=Wanted(mqtt=one.broker_address[1], console=0)).prepare()
        async with running(make("two")) as two:
            assert not set(one.addresses.values()) & set(two.addresses.values())


async def test_a_program_that_dies_runs_again_at_its_address(make: Make) -> None:
    async with running(make()) as local:
        for name in ("broker", "ingest", f"edge-{ROOF}"):
            process = next(p for p in local.processes if p.name == name)
            address, pid = local.addresses[name], process.pid
            assert pid is not None
            psutil.Process(pid).kill()
            await make.until(f"{name} runs again")
            assert local.addresses[name] == address


async def test_an_agent_may_go_through_a_proxy(site: Site, tmp_path: Path) -> None:
    seen = {}

    async def through(gateway: GatewayEui, broker: tuple[str, int]) -> tuple[str, int]:
        if gateway != ROOF:
            return broker
        arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.InvalidStateError):
                arrived.set_result(await reader.read(64))
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        seen[gateway] = server, arrived
        return "127.0.0.1", server.sockets[0].getsockname()[1]

    local = LocalSite(
        site, {}, tmp_path, Options(ports=ANY), say=lambda _text: None, broker_of=through
    )
    async with running(local):
        server, arrived = seen[parse_gateway_eui(ROOF)]
        async with asyncio.timeout(10):
            connect = await arrived
    server.close()
    assert f"khaen-edge-{ROOF}".encode() in connect
    assert list(seen) == [ROOF]


@pytest.mark.parametrize("broken", ["space", "console", "udp", "key", "folder"])
async def test_what_cannot_run_says_what_to_do(make: Make, broken: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {}
    says = {
        "space": r"MB of disk are free, .* MB are needed; free some",
        "console": r"console: 127.0.0.1:\d+ is taken by another program; .*--console-port",
        "udp": r"agent of gateway ac1f.*: 127.0.0.1:\d+ is taken .*agent.udp_port",
        "key": r"ledger.key is missing.*bring it back",
        "folder": r"cannot make the folder: .*--data FOLDER",
    }[broken]
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        match broken:
            case "space":
                options["least_bytes"] = 2**60
            case "console":
                options["ports"] = Wanted(mqtt=0, udp=0, console=tcp.getsockname()[1])
            case "udp":
                options["ports"] = Wanted(mqtt=0, console=0, udp=udp.getsockname()[1])
            case "key":
                first = make()
                first.prepare()
                await first.stop()
                (first.data / "ledger.key").unlink()
            case "folder":
                (tmp_path / "data").write_text("a file")
        local = make(**options)
        with pytest.raises(NotRunnable, match=says):
            local.prepare()
    await local.stop()


async def test_one_that_does_not_start_takes_the_others_with_it(make: Make) -> None:
    local = make(server={"ingest": {"nonsense": 1}})
    with pytest.raises(NotRunnable, match=r"(console|alarms) ended at once: khaen: .*nonsense"):
        async with running(local):
            pass
    assert all(process.pid is None for process in local.processes)
    again = make()
    again.prepare()  # the data directory is free again
    await again.stop()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from deploy.access import INGEST
from deploy.local import LocalSite, Options
from deploy.ports import ANY
from khaen.site.model import Site
async def main():
    site = Site.model_validate_json(sys.argv[1])
    local = LocalSite(site, {}, Path(sys.argv[2]), Options(ports=ANY))
    await local.start()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_nothing_survives_the_death_of_the_supervisor(site: Site, tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, site.model_dump_json(), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    guard = threading.Timer(60, supervisor.kill)
    guard.start()
    with supervisor.stdout:
        while (line := supervisor.stdout.readline()) and line != "ready\n":
            pass
        guard.cancel()
        children = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(children) == 6
        supervisor.kill()
        supervisor.wait()
    _gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


async def test_with_amqtt_in_place_of_mosquitto(make: Make) -> None:
    async with running(make(broker="amqtt")) as local:
        assert 'version = "3.1.1"' in local.settings_file.read_text()
        client = aiomqtt.Client(
            *local.broker_address,
            username=INGEST,
            password=local.credentials.password(INGEST),
            protocol=aiomqtt.ProtocolVersion.V311,
        )
        topic = f"khaen/gateway/{ROOF}/status"
        async with client, asyncio.timeout(20):  # retained: there as soon as an agent is connected
            await client.subscribe(topic)
            # amqtt sends along what is retained of other topics (decision 0004).
            while str((await anext(client.messages)).topic) != topic:
                pass


def test_ports_asked_for_are_given(make: Make) -> None:
    port = find_free_port()
    local = make(ports=Wanted(mqtt=port, console=0, udp=0))
    local.prepare()
    assert local.broker_address == ("127.0.0.1", port)
    asyncio.run(local.stop())
