"""A site on this machine: its broker, agents and programs, started in order and kept running.

Sinks start before sources and stop after them. All that the site writes is in one data directory,
which one instance holds at a time; a second one needs a directory and ports of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import SecretBytes

from deploy import broker, ports
from deploy.access import DEPLOY, INGEST, NETWORK_SERVER, Credentials, accounts, gateway_account
from deploy.claims import Claims
from deploy.configuration import Table, merge, render_toml
from deploy.files import private_folder
from deploy.keys import ledger_key
from deploy.machine import check_space, lock
from deploy.process import Command, Process, Say
from khaen.errors import NotRunnable
from khaen.files import write_private
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Gateway, Site
from store import registry
from store.database import Database
from store.migrate import upgrade

Address = tuple[str, int]
BrokerOf = Callable[[GatewayEui, Address], Awaitable[Address]]
"""Given a gateway and where the broker is, where its agent shall connect: a proxy, for instance."""

_STOP_S = (1.6, 3.2, 4.6)
"""Until when, from the beginning of the stop, agents, ingest, and the rest have time to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a site is run here. `server` and `agent` go over the generated settings, by table."""

    host: str = "127.0.0.1"
    """Where the broker listens: loopback only, unless gateways elsewhere must reach it."""
    console_host: str = "127.0.0.1"
    ports: ports.Wanted = field(default_factory=ports.Wanted)
    broker: str = "auto"
    """`mosquitto`, `amqtt`, or `auto`: the first of the two that is installed."""
    log_level: str = "INFO"
    least_bytes: int = 256 * 1024 * 1024
    """Free disk without which nothing starts."""
    server: Table = field(default_factory=dict)
    agent: Table = field(default_factory=dict)


class LocalSite:
    """The processes of one site. `prepare`, `apply`, `start`, and `stop` in the end, always."""

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        data: Path,
        options: Options | None = None,
        *,
        say: Say = print,
        broker_of: BrokerOf | None = None,
    ) -> None:
        self.site, self.data, self.options = site, data.absolute(), options or Options()
        self.credentials = Credentials(folder=self.data / "clients")
        self.processes: list[Process] = []
        self._keys, self._say, self._broker_of = keys, say, broker_of
        self._lock: IO[str] | None = None
        self._claims = Claims()
        self._ports: ports.Ports | None = None
        self._broker: broker.Broker | None = None

    # -- where things are -----------------------------------------------------

    @property
    def taken(self) -> ports.Ports:
        """The ports, once prepared."""
        if self._ports is None:
            raise NotRunnable("the site was not prepared")
        return self._ports

    @property
    def settings_file(self) -> Path:
        """The `khaen.toml` of ingest, alarms and console."""
        return self.data / "khaen.toml"

    @property
    def ledger_url(self) -> str:
        """The ledger's database."""
        return f"sqlite:///{self.data / 'ledger.sqlite'}"

    @property
    def broker_address(self) -> Address:
        """Where the broker is."""
        return self.options.host, self.taken.mqtt

    @property
    def console_url(self) -> str:
        """Where the console is, as it said itself."""
        found = next((p.announced.get("url") for p in self.processes if p.name == "console"), None)
        return found or f"http://{self.options.console_host}:{self.taken.console}"

    @property
    def addresses(self) -> dict[str, str]:
        """The address of each process by its name, as it said itself."""
        return {process.name: _address(process) for process in self.processes}

    def udp_address(self, gateway: GatewayEui) -> Address:
        """Where the packet forwarder of a gateway finds its agent."""
        agent = next(g.agent for g in self.site.gateways if g.eui == gateway)
        return (agent.udp_host if agent else "127.0.0.1"), self.taken.udp[gateway]

    # -- before anything runs ---------------------------------------------------

    def prepare(self) -> None:
        """Make the data directory, its keys and its ledger, and choose ports. Blocks.

        Raises NotRunnable: too little disk, another instance, a port taken, no broker, no key.
        """
        private_folder(self.data)
        check_space(self.data, self.options.least_bytes)
        self._lock = lock(self.data)
        try:
            self._prepare()
        except BaseException:
            self._unlock()
            raise

    def _prepare(self) -> None:
        kind = broker.choose(self.options.broker)
        self._ports = ports.take(
            self._claims,
            self.site,
            self.options.ports,
            mqtt_host=self.options.host,
            console_host=self.options.console_host,
        )
        for name in ("log", "agents"):
            private_folder(self.data / name)
        self._ledger_key()
        with self._database() as database:
            upgrade(database)
        self._broker = broker.prepare(
            self.data / "broker",
            kind,
            self.broker_address,
            accounts(self.site),
            self.credentials,
        )
        write_private(self.settings_file, render_toml(self._server_settings()).encode())
        self.credentials.write_options(DEPLOY, *self.broker_address)
        if self.site.lorawan.network_server:
            self.credentials.write_options(NETWORK_SERVER, *self.broker_address)

    def differences(self) -> list[registry.Difference]:
        """What `apply` would change in the ledger's registry. Blocks."""
        with self._database() as database, database.read() as connection:
            return registry.diff(connection, self.site, self._keys, self._ledger_key())

    def apply(self) -> list[registry.Difference]:
        """Write the site file's part of the registry. Blocks."""
        with self._database() as database:
            return registry.apply(database, self.site, self._keys, self._ledger_key())

    def _database(self) -> _Opened:
        return _Opened(self.ledger_url)

    def _ledger_key(self) -> SecretBytes:
        return ledger_key(self.data / "ledger.key", self.data / "ledger.sqlite")

    def _server_settings(self) -> Table:
        mqtt = self._mqtt(self.broker_address, INGEST)
        generated = {
            "log_level": self.options.log_level,
            "ledger": {"url": self.ledger_url, "key_file": str(self.data / "ledger.key")},
            "series": {"path": str(self.data / "series.sqlite")},
            "mqtt": mqtt,
            "ingest": {"metrics_port": self.taken.ingest},
            "alarms": {"metrics_port": self.taken.alarms},
            "console": {"host": self.options.console_host, "port": self.taken.console},
        }
        return merge(generated, self.options.server)

    def _agent_settings(self, gateway: Gateway, address: Address) -> Table:
        assert gateway.agent is not None
        generated = {
            "gateway_eui": gateway.eui,
            "site": self.site.site,
            "region": self.site.lorawan.topic_prefix,
            "simulated": gateway.simulated,
            "metrics_port": self.taken.edge[gateway.eui],
            "log_level": self.options.log_level,
            "udp": {"host": gateway.agent.udp_host, "port": self.taken.udp[gateway.eui]},
            "mqtt": self._mqtt(address, gateway_account(gateway.eui)),
            "outbox": {"path": str(self.data / "agents" / gateway.eui / "outbox.sqlite")},
            "remote": {"enabled": True},  # this broker has accounts
        }
        return merge(generated, self.options.agent)

    def _mqtt(self, address: Address, account: str) -> Table:
        assert self._broker is not None
        return {
            "host": address[0],
            "port": address[1],
            "version": self._broker.version.value,
            "username": account,
            "password_file": str(self.credentials.password_file(account)),
        }

    # -- life -------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything, sinks first; say of each process where it is. Raises NotRunnable.

        What was started before a failure is stopped again.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        if self._broker is None:
            await asyncio.to_thread(self.prepare)
        assert self._broker is not None
        first = Command(
            name="broker",
            arguments=self._broker.command,
            announces=self._broker.announces,
            address=self.broker_address,
        )
        await self._launch([first])
        await self._launch(
            [_program("console", self.settings_file), _program("alarms", self.settings_file)]
        )
        await self._launch([_program("ingest", self.settings_file)])
        await self._launch([await self._agent(g) for g in self.site.gateways if g.agent])

    async def _agent(self, gateway: Gateway) -> Command:
        address = self.broker_address
        if self._broker_of is not None:
            address = await self._broker_of(gateway.eui, address)
        folder = self.data / "agents" / gateway.eui
        private_folder(folder)
        file = folder / "edge.toml"
        write_private(file, render_toml(self._agent_settings(gateway, address)).encode())
        return Command(
            name=f"edge-{gateway.eui}",
            arguments=_python("edge.main", "run", "--config", str(file)),
        )

    async def _launch(self, commands: Sequence[Command]) -> None:
        launched = [
            Process(c, self.data / "log" / f"{c.name}.log", self._say, self._say) for c in commands
        ]
        self.processes += launched
        ended = await asyncio.gather(*(p.start() for p in launched), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        for process in launched:
            self._say(f"{process.name:<22} {self._describe(process)}")

    def _describe(self, process: Process) -> str:
        if process.name != "broker" or self._broker is None:
            return _address(process)
        trial = "; for trials: a site wants mosquitto" if self._broker.kind == "amqtt" else ""
        return f"{_address(process)} ({self._broker.kind}{trial})"

    async def stop(self) -> None:
        """Stop everything within 5 s, sources first, and give the data directory free."""
        began = asyncio.get_running_loop().time()
        for names, until in zip((("edge-",), ("ingest",), ("",)), _STOP_S, strict=True):
            ending = [p for p in self.processes if p.name.startswith(names)]
            await asyncio.gather(*(process.stop(began + until) for process in ending))
        self._unlock()

    def _unlock(self) -> None:
        self._claims.release()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _Opened:
    """A ledger for the time of a `with`."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def __enter__(self) -> Database:
        return self._database

    def __exit__(self, *_error: object) -> None:
        self._database.close()


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: whatever lies in the folder where somebody stands is not imported.
    return (sys.executable, "-P", "-m", module, *arguments)


def _program(name: str, settings: Path) -> Command:
    return Command(
        name=name, arguments=_python("commands.main", name, "run", "--config", str(settings))
    )


def _address(process: Process) -> str:
    said = process.announced
    shown = said.get("url") or said.get("udp") or said.get("address") or said.get("metrics", "")
    return f"udp {shown}" if "udp" in said else shown
