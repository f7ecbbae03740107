"""What a broker costs that accepts and drops at once: processor time, memory, threads, descriptors.

The pauses are scaled away; what a reconnect costs is then told at the pace that the real pauses
give. The broker is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from khaen.backoff import Backoff
from khaen.mqtt import Client, Handlers, MqttSettings, Session
from khaen.mqtt.client import LONGEST_PAUSE_SECONDS

RECONNECTS, WARM = 5_000, 500
BROKERS = {
    "closes at once": "pass",
    "says CONNACK and closes": "peer.recv(4096); peer.sendall(bytes((32, 3, 0, 0, 0)))",
}
_SERVE = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    with peer:
        {answer}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What this process has."""

    cpu_s: float
    resident: int
    descriptors: int
    threads: int


def take_stock() -> Stock:
    """As of now."""
    process = psutil.Process()
    return Stock(
        cpu_s=time.process_time(),
        resident=process.memory_info().rss,
        descriptors=process.num_fds(),
        threads=process.num_threads(),
    )


@contextmanager
def broker(answer: str) -> Iterator[int]:
    """A broker that gives this answer to whoever comes; its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE.format(answer=answer)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(settings: MqttSettings, reconnects: int) -> tuple[Stock, Stock]:
    """What there was after the first reconnects, and after so many more."""
    enough = threading.Semaphore(0)
    client = Client(
        settings,
        Session(client_id="khaen-edge", subscriptions=("a", "b", "c"), user_timeout=5000),
        Handlers(disconnected=lambda _reason: enough.release()),
        backoff=Backoff(base=0.0, cap=0.0, floor=0.0),
    )
    client.start()
    try:
        for _ in range(WARM):
            enough.acquire()
        before = take_stock()
        for _ in range(reconnects):
            enough.acquire()
        return before, take_stock()
    finally:
        client.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reconnects", type=int, default=RECONNECTS)
    reconnects = parser.parse_args().reconnects
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        password = Path(folder) / "password"
        password.write_text("a gateway's\n")
        for name, answer in BROKERS.items():
            with broker(answer) as port, Path(os.devnull).open("w") as void:
                settings = MqttSettings(port=port, username="gateway", password_file=password)
                with redirect_stdout(void):  # each end is logged
                    before, after = measure(settings, reconnects)
            cost = (after.cpu_s - before.cpu_s) / reconnects
            print(
                f"{name}: {cost * 1000:.2f} ms of processor time for each of {reconnects};"
                f" {cost / (LONGEST_PAUSE_SECONDS / 2):.2%} of a core at the real pace;"
                f" grown: {(after.resident - before.resident) / 1024:.0f} KiB,"
                f" {after.descriptors - before.descriptors} descriptors,"
                f" {after.threads - before.threads} threads"
            )


if __name__ == "__main__":
    main()
