"""An agent's condition as Prometheus has it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from edge.health.condition import Condition, GatewayCondition


class Gauges(Collector):
    """The gauges of one condition, `khaen_edge_…`. What is not known is NaN."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As prometheus_client asks for them."""
        yield from self._collect_machine()
        yield from self._collect_gateways()
        yield self._collect_warnings()
        yield self._collect_certificates()

    def _collect_machine(self) -> Iterator[GaugeMetricFamily]:
        condition = self._condition
        clock = condition.clock
        for name, text, value in (
            ("healthy", "1 while the agent does its work", not condition.faults),
            ("simulated", "1 where all that is heard is simulated", condition.simulated),
            ("uptime_seconds", "Since the agent was started", condition.uptime_s),
            ("resident_bytes", "Memory of the agent", measure_memory()),
            ("clock_kept", "1 while somebody keeps the host's clock", clock.kept),
            ("clock_offset_seconds", "What is still to be corrected", clock.offset_ms / 1000),
            ("clock_error_seconds", "The greatest error there can be", clock.error_ms / 1000),
        ):
            yield GaugeMetricFamily(f"khaen_edge_{name}", text, float(value))

    def _collect_gateways(self) -> Iterator[GaugeMetricFamily]:
        gateways = self._condition.gateways
        rows = {part.gateway: dict(_list_figures(self._condition, part)) for part in gateways}
        for name, text in _TEXTS.items():
            family = GaugeMetricFamily(f"khaen_edge_{name}", text, labels=("gateway",))
            for gateway, figures in rows.items():
                value = figures[name]
                family.add_metric((gateway,), math.nan if value is None else float(value))
            yield family

    def _collect_warnings(self) -> GaugeMetricFamily:
        labels = ("gateway", "code")
        family = GaugeMetricFamily("khaen_edge_warning", "1 while it warns of it", labels=labels)
        for part in self._condition.gateways:
            for code in part.status.warnings:
                family.add_metric((part.gateway, code), 1.0)
        return family

    def _collect_certificates(self) -> GaugeMetricFamily:
        labels = ("gateway", "file")
        family = GaugeMetricFamily(
            "khaen_edge_certificate_days", "Until its end, NaN where unreadable", labels=labels
        )
        for part in self._condition.gateways:
            for certificate in part.certificates:
                days = certificate.days_left
                family.add_metric(
                    (part.gateway, certificate.file), math.nan if days is None else days
                )
        return family


_TEXTS = {
    "backlog_records": "Records without receipt",
    "held_records": "Records on disk",
    "oldest_record_seconds": "Age of the oldest record without receipt, 0 without any",
    "volatile": "1 while the disk refuses",
    "connected": "1 while the broker has the gateway",
    "frame_age_seconds": "Since the radio was heard",
    "receipt_age_seconds": "Since a receipt came",
    "pull_age_seconds": "Since the packet forwarder asked for downlinks",
    "disk_free_bytes": "Free on the outbox's disk",
    "outbox_bytes": "Of the outbox's files",
    "outbox_quota_bytes": "What they may have",
    "temperature_celsius": "Of the processor",
}


def _list_figures(
    condition: Condition, part: GatewayCondition
) -> Iterator[tuple[str, float | None]]:
    status = part.status
    frame = status.last_frame
    yield "backlog_records", status.backlog
    yield "held_records", status.held
    yield "oldest_record_seconds", part.oldest_s if status.backlog else 0.0
    yield "volatile", status.volatile
    yield "connected", part.connected
    yield "frame_age_seconds", None if frame is None else (condition.at - frame).total_seconds()
    yield "receipt_age_seconds", part.receipt_s
    yield "pull_age_seconds", part.pulled_s
    yield "disk_free_bytes", status.disk.free
    yield "outbox_bytes", status.disk.used
    yield "outbox_quota_bytes", status.disk.quota
    yield "temperature_celsius", status.temperature


def measure_memory() -> float:
    """Bytes of this process that are in memory (proc(5), statm); NaN where that is not told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return math.nan
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def render(condition: Condition) -> bytes:
    """The gauges as text."""
    registry = CollectorRegistry()
    registry.register(Gauges(condition))
    return bytes(generate_latest(registry))
