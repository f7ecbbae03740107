"""`khaen up`: from a written site file and a plain mosquitto_pub to an alarm."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from store.database import Database
from tests.commands.conftest import EXAMPLE, ROOT, Khaen
from tests.support.broker import find_mosquitto

pytestmark = pytest.mark.end_to_end
BUTTON = "24e124535b316056"


class Up:
    """`khaen up` in a process of its own, and what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        text = EXAMPLE.read_text().replace("udp_port: 1700", "udp_port: 0")
        (folder / "site.yaml").write_text(text)
        shutil.copy(EXAMPLE.with_name("devices.csv"), folder)
        self.data = folder / "data"
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "commands.main", "up"),
                *("--site", "site.yaml", "--data", "data"),
                *("--mqtt-port", "0", "--console-port", "0", *arguments),
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(ended)")
            self._changed.notify_all()

    def until(self, start: str, seconds: float = 60) -> str:
        """Wait for a line that begins so."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (found := [line for line in self.lines if line.startswith(start)]):
                if not self._changed.wait(deadline - time.monotonic()) or "(ended)" in self.lines:
                    raise AssertionError("\n".join(self.lines))
        return found[0]

    def stop(self, by: signal.Signals = signal.SIGINT) -> float:
        """Stop it and return how long that took, in seconds."""
        began = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(20)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return time.monotonic() - began


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path)
    yield made
    if made.process.poll() is None:
        made.stop()


def publish(up: Up, payload: bytes) -> None:
    """Say as ChirpStack would what the button said, by a plain mosquitto_pub."""
    event = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": datetime.now(UTC).isoformat(),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
            "devEui": BUTTON,
        },
        "devAddr": "00189440",
        "dr": 2,
        "fCnt": 4,
        "fPort": 85,
        "confirmed": True,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [{"gatewayId": "ac1f09fffe0a0b01", "uplinkId": 42, "rssi": -36, "snr": 10.5}],
        "txInfo": {"frequency": 923200000},
    }
    file = up.data / "event.json"
    file.write_text(json.dumps(event))
    topic = f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{BUTTON}/event/up"
    subprocess.run(
        [find_mosquitto("mosquitto_pub"), "-t", topic, "-f", str(file)],
        env={**os.environ, "XDG_CONFIG_HOME": str(up.data / "clients" / "network-server")},
        check=True,
    )


def test_a_call_by_a_real_button_becomes_an_alarm(up: Up, khaen: Khaen) -> None:
    up.until("sign in: khaen console link")
    assert f"+ device {BUTTON} added" in up.lines
    names = [line.split()[0] for line in up.lines]
    assert names[-8:-3] == ["broker", "console", "alarms", "ingest", "edge-ac1f09fffe0a0b01"]
    publish(up, bytes.fromhex("ff2e02"))  # Milesight WS101: a long press
    ledger = Database(f"sqlite:///{up.data}/ledger.sqlite")
    deadline = time.monotonic() + 10
    while not (found := sos_alarms(ledger)) and time.monotonic() < deadline:
        with ledger.read() as connection:
            head = connection.exec_driver_sql("SELECT next FROM journal_head").scalar_one()
        ledger.wait(head - 1, 1.0)
    assert found == [("unacknowledged", "person:R-0001")]
    ledger.close()
    link = khaen("console", "link", "--config", up.data / "khaen.toml").stdout.strip()
    assert link.startswith(up.until("console http").removeprefix("console "))
    assert httpx.get(link).status_code == 200


def sos_alarms(ledger: Database) -> list[tuple[str, str]]:
    with ledger.read() as connection:
        rows = connection.exec_driver_sql("SELECT state, subject FROM alarm WHERE rule = 'sos'")
        return [(state, subject) for state, subject in rows]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_in_time(up: Up, by: signal.Signals) -> None:
    up.until("sign in: ")
    children = psutil.Process(up.process.pid).children(recursive=True)
    assert len(children) == 5
    assert up.stop(by) < 5
    assert up.process.returncode == 0
    assert not any(child.is_running() for child in children)
    assert not re.search(r"token=|Traceback|Exception", "\n".join(up.lines))


def test_it_may_be_stopped_while_it_starts(up: Up) -> None:
    up.until("broker ")
    assert up.stop() < 5
    assert up.process.returncode == 0
    assert not any("Traceback" in line for line in up.lines)


def test_a_terminal_gets_a_link_at_the_first_start(tmp_path: Path) -> None:
    """Only a terminal: a link is a secret, and output that is kept is no place for one."""
    import pty

    site = EXAMPLE.read_text().replace("udp_port: 1700", "udp_port: 0")
    (tmp_path / "site.yaml").write_text(site)
    shutil.copy(EXAMPLE.with_name("devices.csv"), tmp_path)
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "commands.main", "up", "--site", "site.yaml"),
            *("--data", "data", "--mqtt-port", "0", "--console-port", "0"),
        ],
        cwd=tmp_path,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(inner)
    said = b""
    try:
        while b"/sign-in?token=" not in said and (more := os.read(outer, 4096)):
            said += more
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        os.close(outer)
    assert b"sign in once, within 15 minutes: http://127.0.0.1:" in said
    assert not any(b"token=" in file.read_bytes() for file in (tmp_path / "data" / "log").iterdir())
