"""The console as a process: any free port, ready when it serves, gone within two seconds."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from console import program
from khaen.errors import NotRunnable
from khaen.ready import parse
from khaen.settings import ConsoleSettings, LedgerSettings, Settings
from tests.support.console import World, sign_in

CODE = """
import json, sys
from console import program
from khaen.log import configure
from khaen.settings import Settings
configure(level="INFO", program="console")
program.run(Settings.model_validate(json.loads(sys.argv[1])))
"""


def start(world: World, *, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """The process and its address."""
    settings = {"ledger": {"url": f"sqlite:///{world.path}"}, "console": {"port": port}}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = parse(process.stdout.readline())
    assert ready is not None, process.communicate()[1]
    assert ready["ready"] == "console"
    return process, ready["url"]


@pytest.fixture
def running(world: World) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A console of its own process."""
    process, url = start(world)
    yield process, url
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    process.communicate(timeout=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_with_streams_open(
    world: World, running: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, url = running
    with httpx.Client(base_url=url) as client:
        assert client.get("/health").text == "ok"
        sign_in(client, world.link(world.user()))
        with (
            client.stream("GET", "/api/v1/events") as one,
            client.stream("GET", "/api/v1/events") as two,
        ):
            next(one.iter_lines())
            next(two.iter_lines())
            started = time.monotonic()
            process.send_signal(number)
            assert process.wait(5) == 0
            assert time.monotonic() - started < 2
    assert process.stderr is not None
    log = process.stderr.read()
    assert "console_started" in log
    assert "Traceback" not in log
    assert "ERROR" not in log


def test_it_says_what_to_do_when_the_port_is_taken(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(
            ledger=LedgerSettings(url=f"sqlite:///{world.path}"),
            console=ConsoleSettings(port=taken.getsockname()[1]),
        )
        with pytest.raises(NotRunnable, match=r"console\.port"):
            program.run(settings)


def test_it_serves_again_on_the_same_port_at_once(world: World) -> None:
    process, url = start(world)
    with httpx.Client(base_url=url) as client:
        sign_in(client, world.link(world.user()))
        process.terminate()
        process.communicate(timeout=5)
        process, again = start(world, port=int(url.rpartition(":")[2]))
        try:
            assert again == url
            assert client.get("/").status_code == 200  # sessions outlive the process
        finally:
            process.terminate()
            process.communicate(timeout=5)


def test_a_ledger_that_is_away_is_said_and_passes(world: World, tmp_path: Path) -> None:
    process, url = start(world)
    try:
        with httpx.Client(base_url=url) as client:
            sign_in(client, world.link(world.user()))
            with world.database.write() as tx:
                tx.connection.exec_driver_sql("ALTER TABLE journal_head RENAME TO aside")
            assert client.get("/").status_code == 200
            with client.stream("GET", "/api/v1/events", timeout=20) as response:
                assert _says(response, '"live": false')
            with world.database.write() as tx:
                tx.connection.exec_driver_sql("ALTER TABLE aside RENAME TO journal_head")
            with client.stream("GET", "/api/v1/events", timeout=20) as response:
                assert _says(response, '"live": true')
    finally:
        process.terminate()
        log = process.communicate(timeout=5)[1]
    assert "follower_failed" in log or "ledger_unavailable" in log


def _says(response: httpx.Response, wanted: str) -> bool:
    deadline = time.monotonic() + 20
    for line in response.iter_lines():
        if wanted in line or time.monotonic() > deadline:
            return wanted in line
    return False
