"""The real `khaen-edge` process, and a packet forwarder to feed it."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from tests.edge.fixtures import GATEWAY

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 15.0
Enough = Callable[[Sequence[Message]], bool]


@dataclass
class Agent:
    """A running agent. `lines` are what it has logged so far."""

    process: subprocess.Popen[str]
    lines: list[str]
    udp: int
    metrics: int

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End it in good order; its exit status."""
        self.process.send_signal(by)
        return self.process.wait(5)


def write_config(folder: Path, mqtt_port: int, **facts: object) -> Path:
    """An `edge.toml` that takes free ports."""
    lines = [
        f'gateway_eui = "{GATEWAY}"',
        'site = "kk"',
        "trust_clock = true",
        "metrics_port = 0",
        *(f"{key} = {json.dumps(value)}" for key, value in facts.items()),
        "[udp]",
        "port = 0",
        "[mqtt]",
        f"port = {mqtt_port}",
        "[outbox]",
        f'path = "{folder / "outbox.sqlite"}"',
    ]
    file = folder / "edge.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


@contextlib.contextmanager
def running(config: Path, environment: Mapping[str, str] | None = None) -> Iterator[Agent]:
    """Start an agent and wait until it says so; it is gone in the end. `environment` is what it has
    beside this process's own.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.main", "run", "--config", str(config)],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    stderr, lines, started = process.stderr, [""], threading.Event()

    def read() -> None:
        for line in stderr:
            lines.append(line.rstrip())
            if "agent_started" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=read, name="agent's log")
    reader.start()
    try:
        assert started.wait(START_S), lines
        found = re.search(r"udp=\S+:(\d+) .*metrics=(\d+)", "\n".join(lines))
        assert found is not None, lines
        yield Agent(process, lines, int(found[1]), int(found[2]))
    finally:
        process.kill()
        process.wait()
        reader.join()
        stderr.close()


class PacketForwarder:
    """Sends PUSH_DATA and collects PUSH_ACK, as Semtech's does: once, without a second try."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._sent: dict[bytes, list[bytes]] = {}
        self._count = 0
        self.acknowledged: list[bytes] = []
        """PHYPayloads of every acknowledged datagram."""

    def push(self, *payloads: bytes) -> None:
        """One datagram with a frame for each payload."""
        self._count += 1
        token = self._count.to_bytes(2, "big")
        rxpk = [
            {
                "tmst": self._count,
                "freq": 923.2,
                "stat": 1,
                "modu": "LORA",
                "datr": "SF7BW125",
                "codr": "4/5",
                "rssi": -60,
                "lsnr": 5.5,
                "size": len(payload),
                "data": base64.b64encode(payload).decode(),
            }
            for payload in payloads
        ]
        body = json.dumps({"rxpk": rxpk}).encode()
        self._sent[token] = list(payloads)
        with contextlib.suppress(ConnectionRefusedError):
            self._socket.send(b"\x02" + token + b"\x00" + bytes.fromhex(GATEWAY) + body)

    def collect(self, wait_s: float) -> bool:
        """Take one acknowledgement; False when none came in time."""
        self._socket.settimeout(wait_s)
        try:
            answer = self._socket.recv(64)
        except (TimeoutError, ConnectionRefusedError, BlockingIOError):
            return False
        assert answer[3] == 1
        self.acknowledged += self._sent.pop(answer[1:3])
        return True

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def forwarding(port: int) -> Iterator[PacketForwarder]:
    """A packet forwarder towards an agent."""
    forwarder = PacketForwarder(port)
    try:
        yield forwarder
    finally:
        forwarder.close()


class Listener:
    """Another client of the broker: what it heard, and what it says."""

    def __init__(self, port: int, *topics: str) -> None:
        self.messages: list[Message] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self.client = Client(
            MqttSettings(port=port),
            Session(client_id=f"listener-{os.getpid()}-{id(self)}", subscriptions=topics),
            Handlers(message=self._take, connected=self._ready.set),
        )
        self.client.start()
        assert self._ready.wait(10)

    def _take(self, message: Message) -> None:
        self.client.ack(message)
        with self._news:
            self.messages.append(message)
            self._news.notify_all()

    def wait_for(self, enough: Enough, timeout_s: float = 15.0) -> None:
        """Return when `enough(messages)` is true. Raises AssertionError after a while."""
        with self._news:
            assert self._news.wait_for(lambda: enough(self.messages), timeout_s), Counter(
                message.topic for message in self.messages
            )

    def stop(self) -> None:
        self.client.stop()


@contextlib.contextmanager
def listening(port: int, *topics: str) -> Iterator[Listener]:
    """A client that listens to topics."""
    listener = Listener(port, *topics)
    try:
        yield listener
    finally:
        listener.stop()
