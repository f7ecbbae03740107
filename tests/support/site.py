"""A small site as real processes: broker, an agent per gateway, ingest, alarms, console."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretBytes

from khaen.ids import DevAddr, DevEui, GatewayEui, parse_dev_eui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site import keys
from khaen.site.model import Agent, Device, Gateway, LoraWan, Organisation, Place, Site, Text
from simulators.payloads import wristband
from store import migrate, registry, users
from store.accounts import AccountRow, audit
from store.database import Database
from tests.support.broker import Mosquitto
from tests.support.forwarder import Forwarder
from tests.support.ports import find_free_port, find_free_udp_port
from tests.support.programs import ROOT, Program, Threaded, wait_for
from tests.support.screen import Screen

ORGANISATION = "nong-kham"
REGION = "as923"
GATEWAYS = tuple(GatewayEui(f"ac1f09fffe0a0b{n:02x}") for n in range(1, 5))
OURS = "01000000/8"
"""Our part of the address space: a frame from there without a session is no stranger's."""
HASTY = ("resend_s = 3.0", "resend_max_s = 10.0", "hasten_s = 1.0")
"""For `forward`: frames that a broker forgot are sent again soon, so that a test ends."""


class Band:
    """A wristband with an ABP session: real frames, one counter. Or what else a wearer has."""

    def __init__(self, index: int, family: str = "khaen_wristband") -> None:
        self.family = family
        self.dev_eui = parse_dev_eui(f"a81758ff{index:08x}")
        self.dev_addr = DevAddr(f"01{index:06x}")
        self.resident = f"R-{index:04d}"
        self.keys = SessionKeys(
            nwk_s_key=_key(self.dev_eui, "network"), app_s_key=_key(self.dev_eui, "application")
        )
        self.cipher = SessionCipher(
            dev_addr=self.dev_addr,
            nwk_s_key=self.keys.nwk_s_key,
            app_s_key=self.keys.app_s_key,
        )
        self.f_cnt = 0
        self.press = 0

    @property
    def subject(self) -> str:
        """Who wears it."""
        return f"person:{self.resident}"

    def telemetry(self, heart_rate: int = 70) -> bytes:
        """The next frame: how its wearer is."""
        values = wristband.Telemetry(
            worn=True,
            charging=False,
            moving=True,
            battery=80,
            heart_rate=heart_rate,
            spo2=97,
            signal_quality=90,
            activity=30,
            skin_temperature=33.5,
            steps=1000,
            still_time=0,
        )
        return self.seal(wristband.TELEMETRY_PORT, wristband.encode_telemetry(values))

    def sos(self, *, age: int = 0, new: bool = True) -> bytes:
        """The next frame: a call for help, of a new press or once more of the last."""
        self.press += new
        payload = wristband.encode_sos(press=self.press, battery=80, age=age)
        return self.seal(wristband.SOS_PORT, payload, confirmed=True)

    def seal(self, f_port: int, payload: bytes, *, confirmed: bool = False) -> bytes:
        """The next frame with this payload."""
        f_cnt, self.f_cnt = self.f_cnt, self.f_cnt + 1
        return self.cipher.seal_uplink(
            f_cnt=f_cnt, f_port=f_port, payload=payload, confirmed=confirmed, adr=True
        )


def _key(dev_eui: str, use: str) -> bytes:
    return sha256(f"test {use} {dev_eui}".encode()).digest()[:16]


def describe(
    bands: Iterable[Band],
    agents: Mapping[GatewayEui, int],
    *,
    keys_file: Path,
    simulated: bool = False,
    devices: Iterable[Device] = (),
) -> Site:
    """The site file's content; `agents` gives the UDP port of each gateway's agent, `devices` are
    further ones.
    """
    text = Text(th="หนองขาม", en="Nong Kham")
    return Site(
        site="nong-kham",
        name=text,
        lorawan=LoraWan(topic_prefix=REGION, prefixes=(OURS,)),
        organisations=(Organisation(id=ORGANISATION, name=text, simulated=simulated),),
        places=(Place(id="house-12", organisation=ORGANISATION, name=text),),
        gateways=tuple(
            Gateway(
                eui=eui,
                name=f"Roof {eui[-2:]}",
                organisation=ORGANISATION,
                simulated=simulated,
                agent=Agent(udp_port=port),
            )
            for eui, port in agents.items()
        ),
        devices=(
            *(
                Device(
                    dev_eui=band.dev_eui,
                    family=band.family,
                    organisation=ORGANISATION,
                    place="house-12",
                    resident=band.resident,
                    dev_addr=band.dev_addr,
                )
                for band in bands
            ),
            *devices,
        ),
        keys_file=keys_file,
    )


@dataclass(kw_only=True)
class RunningSite:
    """Everything of a site in one folder; a context manager that ends what it started.

    `devices` are those besides the bands. `forward` and `edge` are further lines of edge.toml,
    `ingest` of khaen.toml's section. `behind` names gateways without an agent of their own, with
    the one whose agent serves them, too.
    """

    folder: Path
    bands: list[Band]
    gateways: Sequence[GatewayEui] = GATEWAYS[:1]
    behind: Mapping[GatewayEui, GatewayEui] = field(default_factory=dict)
    simulated: bool = False
    devices: Sequence[Device] = ()
    forward: Sequence[str] = ()
    edge: Sequence[str] = ("status_s = 0.5",)
    ingest_lines: Sequence[str] = ()
    broker_lines: Sequence[str] = ()
    quiet: bool = False
    """Do not print the logs at the end."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.broker = Mosquitto(self.folder / "broker", settings=self.broker_lines)
        self.url = f"sqlite:///{self.folder}/ledger.sqlite"
        self.config = self.folder / "khaen.toml"
        own = [eui for eui in self.gateways if eui not in self.behind]
        self._udp = {eui: find_free_udp_port() for eui in own}
        self._udp |= {eui: self._udp[other] for eui, other in self.behind.items()}
        self.database = self._make_ledger()
        self._write_config()
        self.ingest = self._server("ingest")
        self.alarms = self._server("alarms")
        self.console = self._server("console")
        self._metrics = {eui: find_free_port() for eui in own}
        self._metrics |= {eui: self._metrics[other] for eui, other in self.behind.items()}
        self.agents = {eui: self._agent(eui) for eui in own}
        self.forwarders = {eui: Forwarder(eui, port) for eui, port in self._udp.items()}
        self.console_url = f"http://127.0.0.1:{self._console_port}"
        self._screens: list[Screen] = []

    # -- files --------------------------------------------------------------

    def _make_ledger(self) -> Database:
        key = secrets.token_bytes(32)
        self._key_file = self.folder / "ledger.key"
        self._key_file.touch(mode=0o600)
        self._key_file.write_bytes(key)
        database = Database(self.url)
        migrate.upgrade(database)
        pairs: dict[DevEui, SessionKeys] = {band.dev_eui: band.keys for band in self.bands}
        keys_file = self.folder / "keys.csv"
        keys.write(keys_file, pairs)
        # The site file knows an agent for each gateway: those behind another's have a port there.
        ports = self._udp | {eui: find_free_udp_port() for eui in self.behind}
        site = describe(
            self.bands,
            ports,
            keys_file=keys_file,
            simulated=self.simulated,
            devices=self.devices,
        )
        registry.apply(database, site, pairs, SecretBytes(key))
        return database

    def _write_config(self) -> None:
        self._console_port = find_free_port()
        lines = [
            f'[ledger]\nurl = "{self.url}"\nkey_file = "{self._key_file}"',
            f'[series]\npath = "{self.folder}/series.sqlite"',
            f"[mqtt]\nport = {self.broker.port}",
            f"[ingest]\nmetrics_port = {find_free_port()}",
            *self.ingest_lines,
            f"[alarms]\nmetrics_port = {find_free_port()}",
            f"[console]\nport = {self._console_port}",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def _server(self, room: str) -> Program:
        arguments = ("-m", "commands.main", room, "run", "--config", self.config)
        return Program(room, arguments, folder=self.folder)

    def _agent(self, eui: GatewayEui) -> Program:
        config = self.reroute(eui, self.broker.port)
        arguments = ("-m", "edge.main", "run", "--config", config)
        return Program(f"edge-{eui}", arguments, folder=self.folder)

    def reroute(self, eui: GatewayEui, mqtt_port: int) -> Path:
        """Have an agent look for the broker at this port from its next start on; its settings."""
        folder = self.folder / f"gateway-{eui}"
        folder.mkdir(exist_ok=True)
        config = folder / "edge.toml"
        lines = [
            f'gateway_eui = "{eui}"\nsite = "nong-kham"\nregion = "{REGION}"',
            f"simulated = {str(self.simulated).lower()}\ntrust_clock = true",
            f"metrics_port = {self._metrics[eui]}",
            *self.edge,
            *(
                f'[[gateways]]\neui = "{other}"'
                for other in self.behind
                if self.behind[other] == eui
            ),
            f"[udp]\nport = {self._udp[eui]}",
            f"[mqtt]\nport = {mqtt_port}",
            f'[outbox]\npath = "{folder}/outbox.sqlite"',
            "[forward]",
            *self.forward,
        ]
        config.write_text("\n".join(lines) + "\n")
        return config

    # -- life ---------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for screen in self._screens:
            screen.close()
        for forwarder in self.forwarders.values():
            forwarder.close()
        for program in self.programs:
            program.kill()
        self.broker.stop()
        if not self.quiet:
            for program in self.programs:
                print(f"==> {program.name}\n{program.tail()}")
            print(f"==> broker\n{self.broker.log[-2000:]}")
        self.database.close()

    @property
    def programs(self) -> list[Program]:
        """Ours: agents, ingest, alarms, console."""
        return [*self.agents.values(), self.ingest, self.alarms, self.console]

    def start(self, *, people: bool = True, agents: Iterable[GatewayEui] | None = None) -> Self:
        """Start everything and wait until all of it works; `people` has the console and the alarm
        program too, `agents` only these. Agents come last, so that nothing of theirs is late.
        """
        self.broker.start()
        servers = [self.ingest, *((self.alarms, self.console) if people else ())]
        wanted = [self.agents[eui] for eui in (self.agents if agents is None else agents)]
        for programs in (servers, wanted):
            for program in programs:
                program.launch()
            for program in programs:
                program.await_ready()
        self.await_connected()
        return self

    def await_connected(self) -> None:
        """Wait until every agent that runs has its connection and the priority list."""
        for eui in self._heard():
            self.await_gauge(eui, "connected", 1)

    def _heard(self) -> list[GatewayEui]:
        """The gateways whose agents run."""
        return [eui for eui in self.gateways if self.agents[self.behind.get(eui, eui)].is_running]

    # -- what is seen -------------------------------------------------------

    def gauge(self, eui: GatewayEui, name: str) -> float:
        """A figure of a gateway in its agent's metrics, summed over its other labels; of the whole
        agent, where it is no gateway's. 0 while the agent does not answer.
        """
        try:
            text = httpx.get(f"http://127.0.0.1:{self._metrics[eui]}/metrics", timeout=5).text
        except httpx.HTTPError:
            return 0.0
        lines = [line for line in text.splitlines() if line.startswith(f"khaen_edge_{name}")]
        ours = [line.split() for line in lines if 'gateway="' not in line or eui in line]
        return sum(float(row[-1]) for row in ours if "_created" not in row[0])

    def await_gauge(self, eui: GatewayEui, name: str, least: float) -> None:
        """Wait until a figure of an agent is at least this."""
        wait_for(lambda: self.gauge(eui, name) >= least, f"{name} of {eui} at least {least}")

    def await_listening(self) -> None:
        """Wait until ingest says that it hears the broker by both its connections."""
        url = self.ingest.announced()["metrics"].replace("/metrics", "/ready")

        def ready() -> bool:
            try:
                return httpx.get(url, timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(ready, "ingest is ready")

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the ledger answers."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, values)]

    def value(self, sql: str, *values: Any) -> Any:
        """The one value that the ledger answers; None without a row."""
        found = self.rows(sql, *values)
        return found[0][0] if found else None

    def counters(self, band: Band) -> list[int]:
        """The frame counters of a band that are in the ledger, in order."""
        sql = "SELECT f_cnt FROM uplink WHERE dev_eui = ? ORDER BY f_cnt"
        return [row[0] for row in self.rows(sql, band.dev_eui)]

    def await_counter(self, band: Band, f_cnt: int, *, timeout_s: float = 30.0) -> None:
        """Wait until a band's frame is in the ledger."""
        wait_for(
            lambda: f_cnt in self.counters(band),
            lambda: f"frame {f_cnt} of {band.dev_eui} in the ledger, has {self.counters(band)}",
            timeout_s=timeout_s,
        )

    def quarantined(self) -> dict[str, int]:
        """What is set aside, by reason, copies included."""
        rows = self.rows("SELECT reason, sum(copies) FROM quarantine GROUP BY reason")
        return {str(reason): int(copies) for reason, copies in rows}

    def audit(self) -> list[AccountRow]:
        """The account of every gateway and epoch."""
        with self.database.read() as connection:
            return audit(connection)

    def await_whole(self, *, timeout_s: float = 90.0) -> list[AccountRow]:
        """Wait until every number that agents ever gave is settled; the accounts then.

        Each agent that runs must have said so itself, after this call.
        """
        now = time.time() * 1e6

        def whole() -> list[AccountRow]:
            told = dict(
                self.rows("SELECT gateway_eui, max(status_at) FROM gateway_epoch GROUP BY 1")
            )
            if any((told.get(eui) or 0) < now for eui in self._heard()):
                return []
            rows = self.audit()
            return rows if all(row.missing == 0 and row.in_flight == 0 for row in rows) else []

        return wait_for(
            whole, lambda: f"accounts whole: {self.audit()}", timeout_s=timeout_s, every_s=0.1
        )

    def khaen(self, *arguments: str) -> str:
        """What `khaen ARGUMENTS --config khaen.toml` prints; AssertionError where it fails."""
        command = [sys.executable, "-m", "commands.main", *arguments, "--config", str(self.config)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    # -- people -------------------------------------------------------------

    def sign_in_token(self) -> str:
        """The token of a one-use link for a carer of the site's organisation."""
        with self.database.write() as tx:
            carer = users.create_user(
                tx, name="สมหญิง", organisation=ORGANISATION, role=users.OPERATOR
            )
            return users.make_sign_in_link(tx, carer.id)

    def screen(self) -> Screen:
        """A carer who is signed in, with the event stream open."""
        screen = Screen(self.console_url, self.sign_in_token())
        self._screens.append(screen)
        screen.await_live()
        return screen

    @contextmanager
    def load(
        self, *, per_second: float, bands: Sequence[Band] | None = None
    ) -> Iterator[Callable[[], int]]:
        """Telemetry of all bands in turn, at so many frames a second, by all gateways in turn.

        Gives how many frames it has sent so far, whether anybody heard them or not.
        """
        senders = list(self.forwarders.values())
        wearers = list(bands or self.bands)
        began, sent = time.monotonic(), 0

        def step() -> None:
            nonlocal sent
            senders[sent % len(senders)].push(wearers[sent % len(wearers)].telemetry())
            sent += 1
            time.sleep(max(0.0, began + sent / per_second - time.monotonic()))

        running = Threaded("load", step)
        try:
            yield lambda: sent
        finally:
            running.stop()


def rounds() -> int:
    """How many rounds of kills: `KHAEN_ROUNDS`, or 3."""
    return int(os.environ.get("KHAEN_ROUNDS", "3"))


def make_bands(count: int) -> list[Band]:
    """So many wristbands, always the same."""
    return [Band(index) for index in range(1, count + 1)]
