"""What the alarm program counts, in a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Counts:
    """All metrics of one alarm program, `khaen_alarms_…`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.timers = self._counter("timers", "Timers that were acted on, by kind", "kind")
        self.queued = self._counter("calls_queued", "Notifications queued, by channel", "channel")
        self.refused = self._counter("calls_refused", "Notifications not made, by reason", "reason")
        self.sent = self._counter("calls_sent", "Notifications a channel took", "channel")
        self.failed = self._counter("calls_failed", "Tries that failed, by channel", "channel")
        self.errors = self._counter("errors", "Parts of the program that failed, by part", "part")
        self.rules = self._counter("rule_errors", "Rules that failed, by rule", "rule")
        self.looks = self._counter("looks", "Looks at all gateways")
        self.silent = Gauge(
            "khaen_alarms_gateways_silent", "Gateways not heard now", registry=self.registry
        )
        self.delay = Histogram(
            "khaen_alarms_call_seconds",
            "From a notification's row to the channel's word",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60),
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"khaen_alarms_{name}", text, labels, registry=self.registry)
