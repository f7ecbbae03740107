"""`khaen demo` as people start it: a process, its children, its report, its end."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.end_to_end

START_S = 60.0
STOP_S = 5.0
GATEWAYS = {f"024b4bfffe{number:06x}" for number in (1, 2, 3)}
COUNTS = {"heard", "committed", "gone", "missing", "late"}
SIGHTS = {
    "call_shown",
    "call_once",
    "call_accepted",
    "fall_shown",
    "late_frames",
    "nothing_missing",
}


class Demo:
    """A running `khaen demo`, its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._output = folder / "output.txt"
        scratch = folder / "scratch"
        scratch.mkdir()
        self.scratch = scratch
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "commands.main", "demo", *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"},
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def until(self, words: str, seconds: float = START_S) -> None:
        """Wait until it has said something."""
        deadline = time.monotonic() + seconds
        while words not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.output}"
            time.sleep(0.05)

    def end(self, by: signal.Signals) -> float:
        """Send a signal; the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(STOP_S * 3)
        return time.monotonic() - began


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    with ExitStack() as stack:
        started = 0

        def start(*arguments: str) -> Demo:
            nonlocal started
            started += 1
            running = Demo(tmp_path / f"demo-{started}", *arguments)

            def clean() -> None:
                if running.process.poll() is None:
                    running.process.kill()
                    running.process.wait()

            stack.callback(clean)
            return running

        yield start


def check_report(report: dict[str, Any]) -> None:
    """The shape that readers of the report rely on, and what it must say after a good run."""
    assert set(report["gateways"]) == GATEWAYS
    for counts in (*report["gateways"].values(), report["totals"]):
        assert set(counts) == COUNTS
        assert counts["missing"] == 0
        assert counts["gone"] == 0
        assert counts["heard"] == counts["committed"] > 0
    for name in COUNTS:
        assert report["totals"][name] == sum(g[name] for g in report["gateways"].values())
    assert report["totals"]["late"] >= 1
    assert report["gateways"]["024b4bfffe000002"]["late"] >= 1
    latency = report["latency_ms"]["sos"]
    assert 0 < latency["p50"] <= latency["p99"] < 2000
    for counts in report["simulator"].values():
        assert counts["sent"] == counts["acked"] == counts["committed"] > 0
    assert report["lost"] == 0
    assert report["failures"] == []
    assert {line["sight"] for line in report["story"]} == SIGHTS
    assert all(line["played"] and line["met"] for line in report["story"])
    once = next(line for line in report["story"] if line["sight"] == "call_once")
    assert once["gateways"] >= 2


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_45_seconds_lose_nothing_and_tell_the_whole_story(
    demo: Callable[..., Demo], tmp_path: Path, broker: str
) -> None:
    file, kept = tmp_path / "report.json", tmp_path / "kept"
    arguments = ("--for", "45", "--report", str(file), "--data", str(kept), "--port", "0")
    running = demo(*arguments, "--broker", broker)
    running.until("A calm wall")
    children = running.children()
    assert len(children) == 7  # broker, three agents, ingest, alarms, console
    assert running.process.wait(90) == 0, running.output
    check_report(json.loads(file.read_text()))
    assert "nothing was lost" in running.output
    assert broker in running.output
    assert "token=" not in running.output  # a link is for terminals only
    assert not [child for child in children if child.is_running()]
    check_times(kept / "data" / "ledger.sqlite")


def test_a_story_cut_short_leaves_nobody_cut_off(demo: Callable[..., Demo], tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    running = demo("--for", "26", "--report", str(file), "--port", "0")
    assert running.process.wait(90) == 0, running.output
    report = json.loads(file.read_text())
    assert {line["sight"] for line in report["story"] if not line["played"]} == {
        "late_frames",
        "nothing_missing",
    }
    assert report["gateways"]["024b4bfffe000002"]["late"] >= 1
    assert (report["lost"], report["totals"]["missing"], report["failures"]) == (0, 0, [])


def check_times(ledger: Path) -> None:
    """What came late stands under the time when it was heard, in the ten seconds of the cut."""
    with closing(sqlite3.connect(ledger)) as db:
        late = db.execute(
            "SELECT received_at, ingested_at, clock FROM reception WHERE way = 'backlog'"
        ).fetchall()
    waited = [(ingested - received) / 1e6 for received, ingested, _clock in late]
    assert len(waited) >= 5
    assert 5 < max(waited) < 15
    assert {clock for _received, _ingested, clock in late} == {"gps"}


def test_every_process_is_named_with_its_address(demo: Callable[..., Demo]) -> None:
    running = demo("--port", "0")
    running.until("A calm wall")
    for name in ("broker", "console", "alarms", "ingest", *(f"edge-{eui}" for eui in GATEWAYS)):
        line = next(line for line in running.output.splitlines() if line.startswith(name))
        assert "127.0.0.1:" in line
    assert running.end(signal.SIGTERM) < STOP_S
    assert running.process.returncode == 0


@pytest.mark.parametrize("words", ["broker ", "console ", "the call is on the screen"])
def test_ctrl_c_ends_everything_at_any_time(demo: Callable[..., Demo], words: str) -> None:
    running = demo("--port", "0")
    running.until(words)
    children = running.children()
    assert running.end(signal.SIGINT) < STOP_S
    assert running.process.returncode == 0
    assert not [child for child in children if child.is_running()]
    assert list(running.scratch.iterdir()) == []
    assert "Traceback" not in running.output


def test_a_second_demo_picks_other_ports(demo: Callable[..., Demo]) -> None:
    first = demo()
    first.until("A calm wall")
    second = demo()
    second.until("A calm wall")
    one, other = (set(re.findall(r"127\.0\.0\.1:\d+", demo.output)) for demo in (first, second))
    assert len(one) == len(other) == 7
    assert not one & other
    assert first.end(signal.SIGINT) < STOP_S
    assert second.process.poll() is None
    assert second.end(signal.SIGINT) < STOP_S


def test_a_port_that_is_taken_is_one_clear_line(demo: Callable[..., Demo]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        running = demo("--port", str(port))
        assert running.process.wait(START_S) == 2
    last = running.output.strip().splitlines()[-1]
    assert last.startswith("khaen: ")
    assert str(port) in last
    assert "Traceback" not in running.output
    assert list(running.scratch.iterdir()) == []


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    running = demo("--for", "45", "--report", str(tmp_path / "nowhere" / "report.json"))
    assert running.process.wait(START_S) == 2
    assert "nowhere" in running.output
    assert "Traceback" not in running.output


def test_a_folder_that_was_used_is_refused(demo: Callable[..., Demo], tmp_path: Path) -> None:
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / "something").touch()
    running = demo("--data", str(folder))
    assert running.process.wait(START_S) == 2
    assert "is not empty" in running.output
    assert [file.name for file in folder.iterdir()] == ["something"]


def test_data_stay_where_they_were_wanted(demo: Callable[..., Demo], tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    running = demo("--data", str(folder), "--port", "0")
    running.until("A calm wall")
    assert running.end(signal.SIGINT) < STOP_S
    assert (folder / "site" / "site.yaml").exists()
    assert (folder / "data" / "ledger.sqlite").exists()
