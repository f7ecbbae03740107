"""What the tests of the agent share: an outbox of its own, arrivals, a broker that never was."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chirpstack_api import gw

from edge.dating import Dating
from edge.downlinks import Downlinks, Transmit
from edge.host import Host
from edge.intake import Intake
from edge.outbox.bounds import Bounds
from edge.outbox.outbox import Outbox
from edge.record import Arrival, Instant
from edge.warnings import Warnings
from khaen.clock import ManualClock, Rung
from khaen.ids import GatewayEui
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Kind, Origin

GATEWAY = GatewayEui("0016c001f153a14c")
START = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)
BOUNDS = Bounds(hold_s=3600, quota=1 << 30, keep_free=0, max_age_s=90 * 86_400)
BOOT = "6f2b2c0e-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeHost(Host):
    """A machine whose clocks are the test's."""

    machine_id: str = "a" * 32
    boot_id: str = BOOT
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    true: bool = True

    def boot_us(self) -> int:
        return round(self.clock.monotonic() * 1_000_000)

    def synchronised(self) -> bool:
        return self.true

    def temperature(self) -> float | None:
        return None


def make_outbox(
    path: Path,
    clock: ManualClock | None = None,
    host: Host | None = None,
    bounds: Bounds = BOUNDS,
    gateway: GatewayEui = GATEWAY,
) -> Outbox:
    """An outbox on `path`."""
    clock = clock or ManualClock(START)
    host = host or FakeHost(clock=clock)
    return Outbox(
        path,
        gateway=gateway,
        origin=Origin.RADIO,
        clock=clock,
        host=host,
        dating=Dating(clock, host, trust=False),
        bounds=bounds,
    )


def make_arrival(
    payload: bytes = b"\x40\x01\x02\x03\x04\x00\x01\x00\x01\xaa\x00\x00\x00\x00",
    *,
    priority: bool = False,
    kind: Kind = Kind.LORAWAN,
    heard: float = 0.0,
    at: datetime | None = START,
    boot_us: int = 0,
    boot_id: str = BOOT,
    live_s: float = 2.0,
    gateway: GatewayEui = GATEWAY,
) -> Arrival:
    """A frame that was just heard."""
    frame = gw.UplinkFrame(phy_payload=payload, rx_info=gw.UplinkRxInfo(gateway_id=gateway))
    return Arrival(
        kind=kind,
        frame=frame.SerializeToString(),
        priority=priority,
        origin=Origin.RADIO,
        instant=Instant(boot_id=boot_id, boot_us=boot_us, at=at, clock=Rung.SYNCED if at else None),
        heard=heard,
        live_s=live_s,
    )


def make_receipt(
    *epochs: EpochReceipt,
    site: str = "kk",
    ledger: str = "ledger-1",
    since: datetime = START,
    at: datetime = START,
) -> Receipt:
    """A receipt of ingest."""
    return Receipt(site=site, ledger=ledger, since=since, at=at, epochs=epochs)


class FakeStation:
    """One gateway, as a source sees it."""

    def __init__(self, intake: Intake, downlinks: Downlinks) -> None:
        self.intake, self.downlinks = intake, downlinks
        self.stats: list[gw.GatewayStats] = []
        self.warnings = Warnings()
        self.way_down: Transmit = lambda _token, _packet: False

    def publish_stats(self, stats: gw.GatewayStats) -> None:
        self.stats.append(stats)


def run(outbox: Outbox, job: Callable[[], object]) -> object:
    """One job, one transaction."""
    return outbox.run([job])[0]
