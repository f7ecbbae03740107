"""One gateway's figures at this moment: its status, and what is told on the spot only."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge.certificates import count_days
from edge.counts import Counts
from edge.dating import Dating
from edge.forwarding.broker import Broker
from edge.health import symptoms
from edge.health.condition import CertificateCondition, GatewayCondition
from edge.health.symptoms import Signs
from edge.host import Host
from edge.outbox.account import Counts as Account
from edge.outbox.writer import Writer
from edge.record import Record
from edge.settings import EdgeSettings
from edge.version import find_version
from edge.warnings import Warnings
from khaen.clock import Clock, Rung
from khaen.mqtt import MqttSettings
from khaen.status import MAX_WARNINGS, DiskStatus, GatewayStatus

_SATELLITE_S: Final = 3600.0
"""Satellites are said to date frames for as long after one whose time they told."""


def measure_disk(path: Path, quota: int) -> DiskStatus:
    """Bytes of the outbox's files and of the file system they are on; zeros where it is gone."""
    try:
        used = sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return DiskStatus(free=0, used=0, quota=quota)
    return DiskStatus(free=free, used=used, quota=quota)


def look_at_certificates(mqtt: MqttSettings, now: datetime) -> tuple[CertificateCondition, ...]:
    """The certificates that a connection is made with."""
    files = (file for file in (mqtt.cert_file, mqtt.ca_file) if file is not None)
    return tuple(
        CertificateCondition(file=str(file), days_left=count_days(file, now)) for file in files
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What the disk tells. `oldest` is the oldest record without receipt."""

    account: Account
    oldest: Record | None
    volatile: bool
    disk: DiskStatus
    certificates: tuple[CertificateCondition, ...]


class Vitals:
    """Looks at one gateway: its outbox, its way to the broker, and the machine."""

    def __init__(
        self,
        settings: EdgeSettings,
        writer: Writer,
        broker: Broker,
        dating: Dating,
        clock: Clock,
        host: Host,
        counts: Counts,
        warnings: Warnings,
        *,
        configuration: str,
    ) -> None:
        self._settings, self._writer, self._broker = settings, writer, broker
        self._dating, self._clock, self._host = dating, clock, host
        self._counts, self._trace = counts, counts.traces[settings.gateway_eui]
        self._warnings = warnings
        self._version, self._configuration = find_version(), configuration

    async def look(self) -> GatewayCondition:
        """The figures of this moment. Raises StoreUnavailable."""
        files = await self._writer.submit(self._look_at_files)
        account, disk, trace = files.account, files.disk, self._trace
        kernel, temperature = self._host.kernel_clock(), self._host.temperature()
        oldest_s = None if files.oldest is None else self._find_age(files.oldest)
        rung = self._find_rung()
        days = [part.days_left for part in files.certificates]
        signs = Signs(
            uptime_s=self._clock.monotonic() - self._counts.started,
            dated=rung is not Rung.ARRIVAL,
            semtech=self._settings.udp.enabled,
            pulled_s=self._since(trace.pulled),
            connected_s=self._since(trace.connected),
            receipt_s=self._since(trace.receipted),
            oldest_s=oldest_s,
            puback=self._settings.forward.puback,
            disk_spare=disk.free - (self._settings.outbox.keep_free_mb << 20),
            temperature=temperature,
            under_voltage=self._host.under_voltage(),
            certificate_days=min((left for left in days if left is not None), default=None),
            certificate_unreadable=None in days,
        )
        return GatewayCondition(
            gateway=self._settings.gateway_eui,
            status=GatewayStatus(
                at=self._clock.now(),
                version=self._version,
                configuration=self._configuration,
                epoch=account.epoch,
                last_seq=account.last_seq,
                backlog=account.backlog,
                held=account.held,
                waiting=account.waiting,
                disk=disk,
                volatile=files.volatile,
                temperature=temperature,
                clock=rung,
                last_frame=trace.frame,
                last_receipt=trace.receipt,
                broker=self._broker.state,
                uptime_s=signs.uptime_s,
                offset_ms=kernel.offset_ms if kernel.kept else None,
                clock_source=self._name_keeper(kept=kernel.kept),
                warnings=tuple(sorted({*self._warnings, *symptoms.find(signs)}))[:MAX_WARNINGS],
            ),
            oldest_s=oldest_s,
            receipt_s=signs.receipt_s,
            pulled_s=signs.pulled_s,
            forwarder=trace.forwarder,
            connected=trace.connected is not None,
            certificates=files.certificates,
        )

    def _look_at_files(self) -> _Files:
        """In the outbox's thread, because a card that hangs must not hold up the loop."""
        outbox, own = self._writer.outbox, self._settings.outbox
        first = (outbox.page(priority=priority, after=0, limit=1) for priority in (True, False))
        heads = [page[0] for page in first if page]
        return _Files(
            account=outbox.count(),
            oldest=min(heads, key=lambda record: record.position, default=None),
            volatile=outbox.volatile,
            disk=measure_disk(own.path, own.quota_mb << 20),
            certificates=look_at_certificates(self._settings.mqtt, self._clock.now()),
        )

    def _find_age(self, record: Record) -> float | None:
        """Seconds since a record was heard; None where no clock tells."""
        if record.instant.boot_id == self._host.boot_id:
            return max(0.0, (self._host.boot_us() - record.instant.boot_us) / 1e6)
        at = record.instant.at or record.before
        return None if at is None else max(0.0, (self._clock.now() - at).total_seconds())

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else self._clock.monotonic() - moment

    def _find_rung(self) -> Rung:
        """The rung on which something heard now would be dated, without a satellite's time."""
        if self._dating.synced():
            return Rung.SYNCED
        return Rung.BOOT if self._dating.boot_id in self._dating.offsets else Rung.ARRIVAL

    def _name_keeper(self, *, kept: bool) -> str:
        """Who dates what is heard."""
        names = [self._host.clock_keeper() or "kernel"] if kept else []
        if self._settings.trust_clock and not kept:
            names.append("trusted")
        satellite_s = self._since(self._trace.satellite)
        if satellite_s is not None and satellite_s < _SATELLITE_S:
            names.append("gps")
        return "+".join(names) or "none"
