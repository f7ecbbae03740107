"""The example site, rendered, and a real InfluxDB."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards.files import render_all
from dashboards.provisioning import Series
from khaen.site.loader import load
from khaen.site.model import Site
from tests.support.ports import find_free_port

SERIES = Series(
    url="http://127.0.0.1:8086",
    database="khaen",
    user="grafana",
    password_file=Path("/etc/grafana/series"),
    folder=Path("/srv/khaen"),
)
START_S = 15.0


@pytest.fixture(scope="module")
def site() -> Site:
    return load(Path(__file__).with_name("site.yaml")).site


@pytest.fixture(scope="module")
def files(site: Site) -> dict[str, str]:
    return render_all(site, SERIES)


@pytest.fixture(scope="module")
def boards(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The dashboards by name, read back."""
    return {Path(path).stem: json.loads(t) for path, t in files.items() if path.endswith(".json")}


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with the empty database `khaen`."""
    folder = tmp_path_factory.mktemp("influxdb")
    port = find_free_port()
    config = folder / "influxdb.conf"
    config.write_text(f"""
reporting-disabled = true
bind-address = "127.0.0.1:{find_free_port()}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "tsi1"
[http]
bind-address = "127.0.0.1:{port}"
[monitor]
store-enabled = false
""")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["influxd", "-config", config], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _wait_for(client, server, folder / "log")
            client.post("/query", params={"q": "CREATE DATABASE khaen"}).raise_for_status()
            yield client
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(START_S)


def _wait_for(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            client.get("/ping").raise_for_status()
            return
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"influxd did not start: {log.read_text()}") from None
            time.sleep(0.02)
