"""What a source is tested on: a station whose outbox, writer and intake are the real ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from chirpstack_api import gw

from edge.counts import Counts
from edge.dating import Dating
from edge.downlinks import Downlinks
from edge.forwarding.forwarder import Forwarder
from edge.host import Host
from edge.intake import Intake
from edge.outbox.outbox import Stored
from edge.outbox.writer import Writer
from edge.record import Arrival, Record
from edge.settings import EdgeSettings
from edge.warnings import Warnings
from khaen.clock import ManualClock, SystemClock
from khaen.ids import GatewayEui
from khaen.uplink import Kind
from tests.edge.fixtures import GATEWAY, START, make_outbox

WAIT_S = 15.0
"""How long anything may take; what takes so long is an error."""
DISK = "disk"
RETRY_S = 6.0
SETTINGS = EdgeSettings(gateway_eui=GATEWAY, site="kk", trust_clock=True)


@dataclass
class Station:
    """The gateway that a source feeds."""

    writer: Writer
    counts: Counts
    intake: Intake
    downlinks: Downlinks
    clock: ManualClock
    """The outbox's: it tries a disk that refused each 5 s of this."""
    gateway: GatewayEui = GATEWAY
    warnings: Warnings = field(default_factory=Warnings)
    stats: list[gw.GatewayStats] = field(default_factory=list)
    acks: list[gw.DownlinkTxAck] = field(default_factory=list)
    way_down: Any = None
    transmitter: Any = None

    def publish_stats(self, stats: gw.GatewayStats) -> None:
        self.stats.append(stats)

    def publish_ack(self, ack: gw.DownlinkTxAck) -> None:
        self.acks.append(ack)

    def refused(self, reason: str) -> float:
        """How often something was refused for this reason."""
        return float(self.counts.refused.labels(reason=reason)._value.get())

    async def records(self) -> list[Record]:
        """All that is stored and unsettled, in the order in which it was heard."""
        outbox = self.writer.outbox
        pages = await self.writer.submit(
            lambda: [outbox.page(priority=first, after=0, limit=10_000) for first in (True, False)]
        )
        return sorted((r for page in pages for r in page), key=lambda record: record.position)

    async def is_durable(self) -> bool:
        """Whether the disk takes, asked in passing."""
        return await self.writer.submit(lambda: not self.writer.outbox.volatile)

    async def payloads(self) -> list[bytes]:
        """The bytes of all that was heard and is stored."""
        heard = [record for record in await self.records() if record.kind is not Kind.GONE]
        return [gw.UplinkFrame.FromString(record.frame).phy_payload for record in heard]

    async def await_records(self, count: int) -> list[Record]:
        """Wait until so many are stored."""
        found: list[Record] = await eventually(self.records, lambda found: len(found) >= count)
        return found


class _Forwarder:
    """Nobody is connected."""

    def offer(self, stored: Stored, arrivals: Sequence[Arrival]) -> None:
        del stored, arrivals


def refuse_disk(folder: Path) -> None:
    """Have a station that is made in `folder` later find a disk that refuses."""
    (folder / DISK).write_text("here is no folder")


def mend_disk(folder: Path, station: Station) -> None:
    """Have the disk take again, and the outbox try it."""
    (folder / DISK).unlink()
    (folder / DISK).mkdir()
    station.clock.advance(RETRY_S)


@asynccontextmanager
async def make_station(folder: Path) -> AsyncIterator[Station]:
    """A station whose outbox is in `folder`, closed in the end."""
    clock, counts, own = SystemClock(), Counts(), ManualClock(START)
    if not (folder / DISK).exists():
        (folder / DISK).mkdir()
    dating = Dating(clock, Host(), trust=True)
    writer = Writer(make_outbox(folder / DISK / "outbox.sqlite", own), limit=4096)
    intake = Intake(SETTINGS, writer, cast("Forwarder", _Forwarder()), dating, clock, counts)
    station: Station

    def transmit(token: int, packet: dict[str, Any]) -> bool:
        return bool(station.way_down(token, packet))

    def tell(ack: gw.DownlinkTxAck) -> None:
        station.publish_ack(ack)

    downlinks = Downlinks(GATEWAY, transmit, tell, dating, clock, counts)
    station = Station(writer, counts, intake, downlinks, own)
    try:
        yield station
    finally:
        await writer.close()


async def eventually(look: Any, enough: Any, timeout_s: float = WAIT_S) -> Any:
    """What `look` finds once it is `enough`. Raises AssertionError with the last of it."""
    found = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = look()
                if asyncio.iscoroutine(found):
                    found = await found
                if enough(found):
                    return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited for long enough; last: {found!r}") from None
