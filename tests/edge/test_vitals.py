"""A gateway's figures, and the whole agent's: over a real outbox, its thread, and a machine of our
own."""

import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from edge.counts import Counts
from edge.dating import Dating
from edge.forwarding.broker import Broker
from edge.health import survey as surveys
from edge.health.survey import Survey
from edge.health.vitals import Vitals, measure_disk
from edge.host import KernelClock
from edge.outbox.writer import Writer
from edge.settings import EdgeSettings, OutboxSettings
from edge.warnings import Warnings
from khaen.clock import ManualClock, Rung
from khaen.ids import GatewayEui
from khaen.mqtt import MqttSettings
from tests.edge.fixtures import GATEWAY, START, FakeHost, make_arrival, make_outbox
from tests.edge.test_certificates import make as make_certificate

OTHER = GatewayEui("0016c001f153a1ff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(FakeHost):
    """A Pi; `facts` are what it says of itself."""

    facts: dict[str, Any] = field(default_factory=dict)

    def kernel_clock(self) -> KernelClock:
        return KernelClock(kept=self.true, offset_ms=0.25, error_ms=9.0)

    def clock_keeper(self) -> str:
        return "chrony"

    def temperature(self) -> float | None:
        return cast("float", self.facts.get("temperature", 50.0))

    def under_voltage(self) -> bool | None:
        return cast("bool", self.facts.get("under_voltage", False))


@dataclass
class FakeBroker:
    state: str = "connected since 2026-07-23T01:02:03.000000Z"


class Gateway:
    """One gateway of a test, as much of it as is asked."""

    def __init__(self, folder: Path, gateway: GatewayEui = GATEWAY, **over: Any) -> None:
        self.clock = ManualClock(START)
        self.host = Machine(clock=self.clock, facts=dict[str, Any]())
        self.settings = EdgeSettings(
            gateway_eui=gateway,
            site="kk",
            outbox=OutboxSettings(path=folder / f"{gateway}.sqlite", keep_free_mb=0),
            **over,
        )
        self.counts, self.warnings = Counts(), Warnings()
        self.trace = self.counts.traces[gateway]
        outbox = make_outbox(self.settings.outbox.path, self.clock, self.host)
        self.writer = Writer(outbox, limit=100)
        self.vitals = Vitals(
            self.settings,
            self.writer,
            cast("Broker", FakeBroker()),
            Dating(self.clock, self.host, trust=False),
            self.clock,
            self.host,
            self.counts,
            self.warnings,
            configuration="0123456789abcdef",
        )

    async def store(self, *, boot_us: int = 0) -> None:
        append = partial(self.writer.outbox.append, [make_arrival(boot_us=boot_us)])
        await self.writer.submit(append)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway(tmp_path)
    yield gateway
    await gateway.writer.close()


async def test_a_gateway_at_work(gateway: Gateway) -> None:
    await gateway.store()
    gateway.clock.advance(100)
    gateway.trace.frame, gateway.trace.pulled = gateway.clock.now(), 95.0
    gateway.trace.forwarder, gateway.trace.connected = "10.0.0.2", 40.0
    gateway.trace.receipt, gateway.trace.receipted = START, 90.0
    gateway.warnings.add("twin_agent")
    found = await gateway.vitals.look()
    assert (found.oldest_s, found.receipt_s, found.pulled_s) == (100.0, 10.0, 5.0)
    assert (found.forwarder, found.connected) == ("10.0.0.2", True)
    said = found.status
    assert (said.backlog, said.held, said.last_seq, said.volatile) == (1, 1, 1, False)
    assert (said.clock, said.clock_source, said.offset_ms) == (Rung.SYNCED, "chrony", 0.25)
    assert (said.uptime_s, said.temperature) == (100.0, 50.0)
    assert said.disk.quota == gateway.settings.outbox.quota_mb << 20
    assert said.disk.used > 0
    assert said.last_frame == START + timedelta(seconds=100)
    assert said.warnings == ("twin_agent",)


async def test_one_of_which_everything_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_bytes(make_certificate(START, START + timedelta(days=5)))
    mqtt = MqttSettings(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "k", ca_file=tmp_path)
    gateway = Gateway(tmp_path, mqtt=mqtt)
    gateway.host.facts.update(temperature=85.0, under_voltage=True)
    object.__setattr__(gateway.host, "true", False)
    await gateway.store()
    gateway.clock.advance(5000)
    gateway.trace.connected = 0.0
    found = await gateway.vitals.look()
    assert found.status.warnings == (
        "backlog_stays",
        "certificate_expires",
        "certificate_unreadable",
        "clock_untrue",
        "forwarder_silent",
        "hot",
        "receipts_absent",
        "under_voltage",
    )
    assert (found.status.clock_source, found.status.offset_ms) == ("none", None)
    days = [certificate.days_left for certificate in found.certificates]
    assert days == [pytest.approx(5 - 5000 / 86_400), None]
    await gateway.writer.close()


async def test_who_dates_what_is_heard(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, trust_clock=True)
    object.__setattr__(gateway.host, "true", False)
    assert (await gateway.vitals.look()).status.clock_source == "trusted"
    gateway.trace.satellite = 0.0
    assert (await gateway.vitals.look()).status.clock_source == "trusted+gps"
    gateway.clock.advance(3601)
    assert (await gateway.vitals.look()).status.clock_source == "trusted"
    await gateway.writer.close()


@pytest.mark.parametrize(("at", "expected"), [(START, 60.0), (None, None)])
async def test_the_age_of_a_record_of_an_earlier_boot(
    gateway: Gateway, at: datetime | None, expected: float | None
) -> None:
    """By its date, where it has one; the counter of another boot tells nothing."""
    arrival = make_arrival(boot_id="an earlier one", boot_us=10**15, at=at)
    await gateway.writer.submit(partial(gateway.writer.outbox.append, [arrival]))
    gateway.clock.advance(60)
    assert (await gateway.vitals.look()).oldest_s == expected


def test_a_disk_that_is_gone_has_nothing(tmp_path: Path) -> None:
    disk = measure_disk(tmp_path / "gone/outbox.sqlite", 7)
    assert (disk.free, disk.used, disk.quota) == (0, 0, 7)


@dataclass
class Agent:
    settings: EdgeSettings
    stations: dict[GatewayEui, Gateway]


async def test_the_whole_agent_and_one_outbox_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveys, "_ANSWER_S", 0.2)
    one, two = Gateway(tmp_path), Gateway(tmp_path, OTHER)
    agent = Agent(one.settings, {GATEWAY: one, OTHER: two})
    one.counts.refused.labels(reason="crc_bad").inc(3)
    one.counts.connections.inc()
    one.counts.stranger = OTHER
    survey = Survey(lambda: agent, one.clock, one.host, one.counts)
    assert await survey.find_faults() == []
    await survey.answer()
    found = await survey.look()
    assert found is not None
    assert [part.gateway for part in found.gateways] == [GATEWAY, OTHER]
    assert found.counts["refused"] == {"crc_bad": 3}
    assert found.counts["connections"] == {"": 1}
    assert (found.stranger, found.clock.keeper, found.faults) == (OTHER, "chrony", ())

    hangs = threading.Event()
    hanging = two.writer.submit(hangs.wait)
    found = await survey.look()
    assert found is not None
    assert [part.gateway for part in found.gateways] == [GATEWAY]
    (fault,) = found.faults
    assert fault.startswith(f"{OTHER}: the outbox has not answered")
    with pytest.raises(TimeoutError):
        await survey.answer()
    hangs.set()
    await hanging
    assert await survey.find_faults() == []
    for gateway in (one, two):
        await gateway.writer.close()


async def test_slow_outboxes_are_asked_at_once(tmp_path: Path) -> None:
    """One after the other they would be taken for dead, and the agent be restarted."""
    names = [GatewayEui(f"0016c001f153a1{n:02x}") for n in range(4)]
    stations = {name: Gateway(tmp_path, name) for name in names}
    slow = threading.Barrier(len(stations))  # each answers once all have been asked
    for station in stations.values():
        submit = station.writer.submit
        station.writer.submit = partial(_after, slow, submit)  # type: ignore[method-assign]
    one = stations[names[0]]
    agent = Agent(one.settings, stations)
    await Survey(lambda: agent, one.clock, one.host, one.counts).answer()
    assert not slow.broken
    for station in stations.values():
        await station.writer.close()


def _after(gate: threading.Barrier, submit: Callable[..., Any], work: Callable[[], Any]) -> Any:
    return submit(lambda: (gate.wait(1), work()))


async def test_before_there_is_an_agent(tmp_path: Path) -> None:
    clock = ManualClock(START)
    survey = Survey(lambda: None, clock, FakeHost(clock=clock), Counts())
    assert await survey.find_faults() == ["it is starting"]
    assert await survey.look() is None
    await survey.answer()  # a slow start is no hanging outbox
