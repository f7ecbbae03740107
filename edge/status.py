"""How the agent is: the retained status document."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from datetime import datetime
from importlib import metadata
from pathlib import Path

from edge.broker import Broker
from edge.counts import Counts
from edge.dating import Dating
from edge.host import Host
from edge.intake import Intake
from edge.settings import EdgeSettings
from edge.writer import Writer
from khaen import log, topics
from khaen.clock import Clock, Rung
from khaen.errors import StoreUnavailable
from khaen.status import DiskStatus, GatewayStatus

_log = log.logger()


def find_version() -> str:
    """The installed version of Khaen."""
    try:
        return metadata.version("khaen")
    except metadata.PackageNotFoundError:
        return "unknown"


def measure_disk(path: Path) -> DiskStatus:
    """Bytes of the outbox's files and of the file system they are on; zeros where it is gone."""
    try:
        used = sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return DiskStatus(free=0, used=0, quota=0)
    return DiskStatus(free=free, used=used, quota=free + used)


class Status:
    """Tells the broker how the agent is: every period, and whenever `tell` is called."""

    def __init__(
        self,
        settings: EdgeSettings,
        writer: Writer,
        broker: Broker,
        intake: Intake,
        dating: Dating,
        clock: Clock,
        host: Host,
        counts: Counts,
        *,
        configuration: str,
    ) -> None:
        self._settings, self._writer, self._broker, self._intake = settings, writer, broker, intake
        self._dating, self._clock, self._host, self._counts = dating, clock, host, counts
        self._version, self._configuration = find_version(), configuration
        self._wake = asyncio.Event()
        self.last_receipt: datetime | None = None

    def tell(self) -> None:
        """Publish one as soon as may be."""
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            self._wake.clear()
            try:
                document = await self.look()
            except StoreUnavailable:
                _log.warning("status_skipped", reason="outbox_busy")
            else:
                self._broker.publish(
                    topics.status(self._settings.gateway_eui),
                    document.model_dump_json().encode(),
                    retain=True,
                )
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.status_s):
                    await self._wake.wait()

    async def look(self) -> GatewayStatus:
        """The document of this moment. Raises StoreUnavailable."""
        outbox = self._writer.outbox
        counts, volatile = await self._writer.submit(lambda: (outbox.count(), outbox.volatile))
        gateway = self._settings.gateway_eui
        self._counts.backlog.labels(gateway=gateway).set(counts.backlog)
        self._counts.held.labels(gateway=gateway).set(counts.held)
        self._counts.volatile.labels(gateway=gateway).set(volatile)
        proof = " (its acknowledgement counts as proof)" if self._settings.forward.puback else ""
        return GatewayStatus(
            at=self._clock.now(),
            version=self._version,
            configuration=self._configuration,
            epoch=counts.epoch,
            last_seq=counts.last_seq,
            backlog=counts.backlog,
            held=counts.held,
            waiting=counts.waiting,
            disk=measure_disk(self._settings.outbox.path),
            volatile=volatile,
            temperature=self._host.temperature(),
            clock=self._rung(),
            last_frame=self._intake.last_frame,
            last_receipt=self.last_receipt,
            broker=self._broker.state + proof,
        )

    def _rung(self) -> Rung:
        """The rung on which something heard now would be dated, without a satellite's time."""
        if self._dating.synced():
            return Rung.SYNCED
        return Rung.BOOT if self._dating.boot_id in self._dating.offsets else Rung.ARRIVAL
