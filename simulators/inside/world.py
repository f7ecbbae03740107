"""A site and all that serves it, in one process and in virtual time, as fast as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from pydantic import SecretBytes

from edge.sources.semtech_udp import FORGET_S
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.mqtt import Connect, Handlers, MqttSettings, Session
from khaen.site.model import Site
from simulators.acts.subjects import find_subjects
from simulators.acts.vocabulary import Act
from simulators.air.radio import Hearing
from simulators.devices.device import Transmission
from simulators.faults.fault import Fault
from simulators.faults.faults import Faults
from simulators.faults.live import FaultyRoad
from simulators.gateways.packet_forwarder import KEEPALIVE_S
from simulators.inside import acting
from simulators.inside.broker import Broker
from simulators.inside.client import VirtualClient
from simulators.inside.clocks import WorldClock
from simulators.inside.gateway import VirtualGateway
from simulators.inside.ingest import VirtualIngest
from simulators.inside.link import VirtualLink
from simulators.inside.loop import VirtualLoop
from simulators.inside.network import VirtualNetwork
from simulators.inside.office import LOOK_S, Office
from simulators.inside.wire import Wire
from simulators.mac import JoinKeys
from simulators.payloads.wristband import SOS_PORT
from simulators.traffic import Pace, Traffic
from simulators.twin import Twin
from store import migrate, registry
from store.database import Database

_FIRST_PORT: Final = 1700
_LONGEST_WAIT_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often agents beat and tell of themselves, and the alarm program looks at them; seconds.

    `rarer` is how many times rarer than in reality packet forwarders say that they live.
    """

    heartbeat_s: float = 60.0
    status_s: float = 30.0
    look_s: float = LOOK_S
    rarer: float = 1.0


REAL: Final = Cadence()
CALM: Final = Cadence(heartbeat_s=600.0, status_s=900.0, look_s=300.0, rarer=30.0)
"""For runs of days: gateways that beat each ten minutes are silent after 25 of them."""
_MOST_RARE: Final = FORGET_S / KEEPALIVE_S * 0.9
"""Packet forwarders that pull more rarely are forgotten, and get no downlinks."""
_BEATS_MISSED: Final = 2.5


class World:
    """A context manager; `perform` an act, `advance` the time, read what `ledger` says.

    Devices with `join_keys` join, where there is a network server. With `satellites` the gateways
    have receivers that know the time. Raises StoreUnavailable where `folder` cannot be written, and
    whatever a part of the world raises, when it is moved on.
    """

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        *,
        seed: int,
        start: datetime,
        folder: Path,
        pace: Pace | None = None,
        network_server: bool = False,
        satellites: bool = False,
        cadence: Cadence = REAL,
        faults: Sequence[Fault] = (),
        join_keys: Mapping[DevEui, JoinKeys] | None = None,
    ) -> None:
        if network_server:
            cadence = replace(cadence, rarer=min(cadence.rarer, _MOST_RARE))
        self.site, self.start, self._seed = _heard_each(site, cadence), start, seed
        self.ledger = folder / "ledger.sqlite"
        self.subjects = find_subjects(site)
        self.loop = VirtualLoop()
        self.clock = WorldClock(self.loop, start)
        self.broker = Broker(self.loop)
        self._key = SecretBytes(sha256(f"{seed}|ledger".encode()).digest())
        self.database = self._make_ledger(keys)
        self._ingest = VirtualIngest(
            self.database, self._key, self.clock, self._connect(VirtualLink()), self._stirred
        )
        url = f"sqlite:///{self.ledger}"
        self.office = Office(url, self.clock, self._ingest, look_s=cadence.look_s)
        self.network = (
            VirtualNetwork(
                site, keys, join_keys or {}, self.clock, self._connect(VirtualLink()), seed=seed
            )
            if network_server
            else None
        )
        self.gateways = {
            gateway.address: gateway
            for gateway in self._make_gateways(folder, cadence, satellites=satellites)
        }
        self.loop.wire = Wire(self.gateways).carry
        self.traffic = Traffic(site, keys, seed=seed, start=start, pace=pace, join_keys=join_keys)
        self.traffic.listen(self._note)
        self.twin = self._make_twin(cadence)
        if faults:
            self._lay_roads(keys, faults)
        self._calls: dict[DevEui, tuple[Hearing, ...]] = {}
        self._sent: dict[bytes, float] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self.loop.run_until_complete(self._begin())

    # -- what can be asked and done -----------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.time()

    def advance(self, until: float) -> None:
        """Let time pass until `until` seconds after the start; nothing where that is over."""
        self.loop.run_until_complete(self._pass(until))

    def perform(self, act: Act) -> None:
        """Have something happen now. Raises UnknownSubject."""
        self.loop.run_until_complete(acting.perform(act, self))

    def stop_radio(self) -> None:
        """No device sends anything any more; what is under way still arrives."""
        self.twin.stop_radio()

    def gateway(self, name: str) -> VirtualGateway:
        """A gateway by its short name or EUI. Raises UnknownSubject."""
        eui = self.subjects.gateway(name)
        return next(gateway for gateway in self.gateways.values() if gateway.eui == eui)

    def last_call(self, band: DevEui) -> tuple[Hearing, ...]:
        """The last call for help of a band, as gateways heard it; empty before any."""
        return self._calls.get(band, ())

    def sent_at(self, phy: bytes) -> float | None:
        """When a frame was first over, in seconds since the start: when it was truly heard."""
        return self._sent.get(phy)

    # -- life ---------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all of it; the ledger is whole."""
        self.loop.run_until_complete(self._end())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.office.close()
        self.database.close()

    async def _begin(self) -> None:
        self._ingest.start()
        if self.network is not None:
            self.network.start()
        for gateway in self.gateways.values():
            gateway.start()
            await gateway.listening.wait()  # else the first PULL_DATA is lost, and ten seconds
        parts = {"ingest": self._ingest.run(), "office": self.office.run(), "air": self.twin.run()}
        if self.network is not None:
            parts["network server"] = self.network.run()
        self._tasks = [self.loop.create_task(part, name=name) for name, part in parts.items()]

    async def _pass(self, until: float) -> None:
        """Sleep, unless a part fails: then that is what happened."""
        sleep = self.loop.create_task(asyncio.sleep(max(0.0, until - self.now)))
        agents = (gateway.running for gateway in self.gateways.values())
        parts = {*self._tasks, *(agent for agent in agents if agent is not None)}
        done, _ = await asyncio.wait({sleep, *parts}, return_when=asyncio.FIRST_COMPLETED)
        sleep.cancel()
        for task in done:
            if task is not sleep and not task.cancelled():
                task.result()
        if sleep not in done:
            await self._pass(until)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for gateway in self.gateways.values():
            await gateway.stop()
        if self.network is not None:
            self.network.stop()
        self._ingest.stop()

    # -- making -------------------------------------------------------------

    def _make_ledger(self, keys: Mapping[DevEui, SessionKeys]) -> Database:
        database = Database(f"sqlite:///{self.ledger}", clock=self.clock)
        migrate.upgrade(database)
        registry.apply(database, self.site, keys, self._key)
        return database

    def _make_gateways(
        self, folder: Path, cadence: Cadence, *, satellites: bool
    ) -> Iterator[VirtualGateway]:
        for number, entry in enumerate(self.site.gateways):
            link = VirtualLink()
            gateway = VirtualGateway(
                entry.eui,
                site=self.site.site,
                region=self.site.lorawan.topic_prefix,
                folder=folder,
                loop=self.loop,
                clock=self.clock,
                link=link,
                connect=self._connect(link),
                port=_FIRST_PORT + number,
                heartbeat_s=cadence.heartbeat_s,
                status_s=cadence.status_s,
            )
            gateway.satellite = satellites
            yield gateway

    def _make_twin(self, cadence: Cadence) -> Twin:
        agents: dict[GatewayEui, tuple[str, int]] = {
            gateway.eui: gateway.address for gateway in self.gateways.values()
        }
        twin = Twin(
            self.traffic,
            {gateway.eui: gateway for gateway in self.site.gateways},
            agents,
            self.clock,
            longest_wait_s=_LONGEST_WAIT_S,
        )
        for forwarder in twin.forwarders.values():
            forwarder.rarer = cadence.rarer
        return twin

    def _lay_roads(self, keys: Mapping[DevEui, SessionKeys], faults: Sequence[Fault]) -> None:
        """Have all faults work between each packet forwarder and its agent."""
        names: dict[str, str] = {
            self.subjects.short(gateway): gateway for gateway in self.subjects.gateways
        }
        names |= self.subjects.residents
        ciphers = {
            device.dev_eui: SessionCipher(
                dev_addr=device.dev_addr,
                nwk_s_key=keys[device.dev_eui].nwk_s_key,
                app_s_key=keys[device.dev_eui].app_s_key,
            )
            for device in self.site.devices
            if device.dev_addr is not None and device.dev_eui in keys
        }
        for forwarder in self.twin.forwarders.values():
            work = Faults(faults, self._seed, self.start, ciphers=ciphers, names=names)
            forwarder.road = FaultyRoad(work, self.start, self.clock, forwarder.transmit).send

    def _connect(self, link: VirtualLink) -> Connect:
        def connect(settings: MqttSettings, session: Session, handlers: Handlers) -> VirtualClient:
            return VirtualClient(
                settings,
                session,
                handlers,
                broker=self.broker,
                link=link,
                loop=self.loop,
                rng=Random(f"{self._seed}|mqtt|{session.client_id}"),
            )

        return connect

    # -- what happens -------------------------------------------------------

    def _stirred(self) -> None:
        self.office.wake()

    def _note(self, sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        self._sent.setdefault(sent.phy, self.now)
        if sent.f_port == SOS_PORT and hearings:
            self._calls[sent.dev_eui] = hearings


def _heard_each(site: Site, cadence: Cadence) -> Site:
    """The site, whose gateways are not called silent between two of their heartbeats."""
    if cadence.heartbeat_s <= REAL.heartbeat_s:
        return site
    silent = {"gateway_down": {"silent_s": _BEATS_MISSED * cadence.heartbeat_s}}
    return site.model_copy(update={"rules": {**site.rules, **silent}})
