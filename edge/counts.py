"""What is counted, in a registry of the agent's own, and what came last of each gateway."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client import CollectorRegistry, Counter, Histogram

from edge.traces import Trace
from khaen.ids import GatewayEui


class Counts:
    """All that one agent counts, `khaen_edge_…`, since it was `started` (monotonic clock)."""

    def __init__(self, *, started: float = 0.0) -> None:
        self.started = started
        self.traces: defaultdict[GatewayEui, Trace] = defaultdict(Trace)
        self.stranger = ""
        """The last gateway that sent here and is none of ours."""
        self.registry = CollectorRegistry()
        self.datagrams = self._counter("datagrams", "Datagrams, by type", "type")
        self.refused = self._counter("refused", "What could not be taken, by reason", "reason")
        self.heard = self._counter("frames_heard", "Numbered records, by kind", "kind")
        self.sent = self._counter("frames_sent", "Messages handed to the broker, by way", "way")
        self.taken = self._counter("frames_taken", "Messages the broker acknowledged")
        self.receipted = self._counter("frames_receipted", "Frames settled by a receipt")
        self.shed = self._counter("frames_shed", "Records shed for room or age", "gateway")
        self.receipts = self._counter("receipts", "Receipts, by what became of them", "outcome")
        self.downlinks = self._counter("downlinks", "Downlinks, by what became of them", "status")
        self.connections = self._counter("connections", "Connections to the broker")
        self.stored = Histogram(
            "khaen_edge_store_seconds",
            "From datagram to durable",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"khaen_edge_{name}", text, labels, registry=self.registry)
