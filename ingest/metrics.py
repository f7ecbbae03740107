"""What ingest counts, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """All counters of one ingest."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._messages = Counter(
            "khaen_ingest_messages", "Messages committed", registry=self.registry
        )
        self._outcomes = Counter(
            "khaen_ingest_outcomes",
            "What became of messages",
            ["outcome"],
            registry=self.registry,
        )
        self._refused = Counter(
            "khaen_ingest_refused",
            "Messages put in the quarantine",
            ["reason"],
            registry=self.registry,
        )
        self._unacknowledged = Counter(
            "khaen_ingest_stale_acknowledgements",
            "Commits whose connection was gone: the broker sends the message again",
            registry=self.registry,
        )
        self._failures = Counter(
            "khaen_ingest_store_failures",
            "Groups that the store did not take",
            registry=self.registry,
        )
        self._group = Histogram(
            "khaen_ingest_group_messages",
            "Messages per transaction",
            buckets=_GROUP_SIZES,
            registry=self.registry,
        )
        self._commit = Histogram(
            "khaen_ingest_commit_seconds",
            "Time of a transaction with its waiting for a turn",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.missing = Gauge(
            "khaen_gateway_missing",
            "Numbers heard by a gateway and neither committed, gone nor in flight",
            ["gateway_eui", "epoch"],
            registry=self.registry,
        )
        self.series_lag = Gauge(
            "khaen_projection_lag_positions",
            "Journal entries that a projection has not seen",
            ["projection"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "khaen_ingest_waiting_messages", "Messages not yet committed", registry=self.registry
        )

        self.pending = Gauge(
            "khaen_ingest_decode_pending",
            "Uplinks that wait for their family's codec",
            registry=self.registry,
        )

    def committed(self, messages: int, counts: Tally[str], seconds: float) -> None:
        """Count a group."""
        self._messages.inc(messages)
        self._group.observe(messages)
        self._commit.observe(seconds)
        for outcome, number in counts.items():
            kind, _, reason = outcome.partition(":")
            if kind == "refused":
                self._refused.labels(reason).inc(number)
            else:
                self._outcomes.labels(outcome).inc(number)

    def decoded(self, counts: Tally[str]) -> None:
        """Count what became of uplinks that were decoded later."""
        for outcome, number in counts.items():
            self._outcomes.labels(outcome).inc(number)

    def stale(self, number: int) -> None:
        """Count acknowledgements that came too late."""
        self._unacknowledged.inc(number)

    def failed(self) -> None:
        """Count a group that the store did not take."""
        self._failures.inc()
