"""How long a call for help takes from the UDP datagram to an EventSource, under load.

Real processes: mosquitto, three agents, ingest, alarm program, console, with SQLite. 100 uplinks a
second of 50 wristbands all the time; a new elder calls each second. Measured in one process by its
monotonic clock: from before the datagram is sent until the alarm's event was read from the
console's stream. The stages before it are seen from outside: PUSH_ACK is the agent's disk, the
broker is a subscriber of its own, the transaction is the ledger's own time of it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from chirpstack_api import gw
from paho.mqtt.enums import CallbackAPIVersion

from khaen import topics
from tests.support.programs import wait_for
from tests.support.screen import Screen
from tests.support.site import GATEWAYS, Band, RunningSite, make_bands

SECONDS, PER_SECOND, WEARERS = 60, 100.0, 50
AIM_P50_MS, AIM_P99_MS = 50.0, 250.0
BROKER = ("set_tcp_nodelay true",)
"""As `khaen up` has it. Without it a frame waits some 15 ms for the acknowledgement of the last."""
STAGES = ("agent's disk", "broker", "transaction", "screen")


@dataclass(slots=True)
class Call:
    """One call: when it was sent, by both clocks, and when each stage had it (monotonic)."""

    frame: bytes
    sent: float
    sent_wall: float
    acked: float = 0.0


class Listener:
    """A subscriber beside ingest: when the broker had which frame."""

    def __init__(self, port: int) -> None:
        self.heard: dict[bytes, float] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topics.GATEWAY_UP)
        self._client.loop_start()

    def _hear(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        now = time.monotonic()
        self.heard.setdefault(gw.UplinkFrame.FromString(message.payload).phy_payload, now)

    def close(self) -> None:
        """Go away."""
        self._client.disconnect()
        self._client.loop_stop()


def measure(site: RunningSite, callers: Sequence[Band], seconds: int) -> dict[str, list[float]]:
    """Milliseconds after the datagram at which each stage had each call."""
    screen, listener = site.screen(), Listener(site.broker.port)
    calls: dict[str, Call] = {}
    try:
        with site.load(per_second=PER_SECOND, bands=site.bands[:WEARERS]) as sent:
            wait_for(lambda: sent() > 2 * PER_SECOND, "two seconds of load")
            began = time.monotonic()
            for number, band in enumerate(callers[:seconds]):
                time.sleep(max(0.0, began + number - time.monotonic()))
                calls[band.subject] = call(site, band, number)
            wait_for(lambda: len(raised(screen)) >= len(calls), "every call on the screen")
    finally:
        listener.close()
    shown, ledger = raised(screen), transactions(site)
    return {
        "agent's disk": [1e3 * (c.acked - c.sent) for c in calls.values()],
        "broker": [1e3 * (listener.heard[c.frame] - c.sent) for c in calls.values()],
        "transaction": [1e3 * (ledger[c.frame] - c.sent_wall) for c in calls.values()],
        "screen": [1e3 * (shown[who] - c.sent) for who, c in calls.items()],
    }


def call(site: RunningSite, band: Band, number: int) -> Call:
    forwarder = site.forwarders[site.gateways[number % len(site.gateways)]]
    made = Call(band.sos(), time.monotonic(), time.time())
    token = forwarder.push(made.frame)
    assert forwarder.is_acked(token), "the agent has it"
    made.acked = time.monotonic()
    return made


def raised(screen: Screen) -> dict[str, float]:
    """When the screen was told of whose call."""
    return {
        told.data["subject"]: told.at
        for told in screen.told
        if told.event == "alarm" and told.data["change"] == "raised" and told.data["rule"] == "sos"
    }


def transactions(site: RunningSite) -> dict[bytes, float]:
    """When the transaction of each frame began, in seconds since 1970."""
    rows: list[tuple[Any, ...]] = site.rows("SELECT phy_payload, ingested_at FROM uplink")
    return {frame: at / 1e6 for frame, at in rows}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def report(stages: dict[str, list[float]]) -> None:
    print(f"{'after the datagram, ms':<24}{'p50':>9}{'p99':>9}{'worst':>9}")
    for name in STAGES:
        values = stages[name]
        figures = quantile(values, 0.5), quantile(values, 0.99), max(values)
        print(f"{name:<24}" + "".join(f"{figure:>9.1f}" for figure in figures))
    p50, p99 = quantile(stages["screen"], 0.5), quantile(stages["screen"], 0.99)
    print(
        f"sos_latency p50 {p50:.1f} ms ({AIM_P50_MS / p50:.1f} times better than the aim of"
        f" {AIM_P50_MS:.0f}), p99 {p99:.1f} ms ({AIM_P99_MS / p99:.1f} times better than"
        f" {AIM_P99_MS:.0f}), {len(stages['screen'])} calls"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how many calls")
    options = parser.parse_args()
    bands = make_bands(WEARERS + options.seconds)
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        site = RunningSite(
            folder=Path(folder),
            bands=bands,
            gateways=GATEWAYS[:3],
            broker_lines=BROKER,
            quiet=True,
        )
        with site.start():
            report(measure(site, bands[WEARERS:], options.seconds))
    assert threading.active_count() == 1, "nothing goes on"


if __name__ == "__main__":
    main()
