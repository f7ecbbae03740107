"""`khaen simulate --application`, and all that it refuses, as people run it."""

from __future__ import annotations

import base64
import csv
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from commands.simulate import app
from khaen.errors import KhaenError
from khaen.lorawan.frame import JoinRequest, parse
from khaen.lorawan.join import verify_join_request
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from khaen.site.loader import load
from simulators.application.raw import HEAD, LENGTH, MAGIC
from simulators.payloads.wristband import SOS_PORT
from simulators.sites.demonstration import make_site, write_site
from tests.commands.conftest import EXAMPLE, ROOT, Khaen
from tests.support.broker import Mosquitto

STOP_S = 5.0
RAW_BYTES = ("--application", "raw-bytes")
FAST = ("--speed", "max", "--from", "2026-03-01", "--for", "20s")


class Heard:
    """What a broker passes on."""

    def __init__(self, port: int, password_file: Path) -> None:
        self.messages: list[Message] = []
        self.ready = threading.Event()
        self._client = Client(
            MqttSettings(port=port, username="ingest", password_file=password_file),
            Session(client_id="test", subscriptions=("application/#",)),
            Handlers(message=self._take, connected=self.ready.set),
        )
        self._client.start()

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        self._client.ack(message)

    def close(self) -> None:
        self._client.stop()


@pytest.fixture
def passwords(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name in ("network-server", "ingest", "wrong"):
        files[name] = tmp_path / f"{name}.password"
        files[name].write_text(f"secret of {name}")
    return files


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto], passwords: dict[str, Path]) -> Mosquitto:
    users = {name: passwords[name].read_text() for name in ("network-server", "ingest")}
    return mosquitto(users=users)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "commands.main", "simulate", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                cwd=tmp_path,
            )
        )
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def test_one_seed_gives_one_output_and_another_another(khaen: Khaen) -> None:
    once = khaen("simulate", "--application", "chirpstack", *FAST)
    again = khaen("simulate", "--application", "chirpstack", *FAST)
    other = khaen("simulate", "--application", "chirpstack", *FAST, "--seed", "2")
    assert once.returncode == again.returncode == 0
    assert once.stdout == again.stdout != other.stdout
    time_, topic, payload = once.stdout.splitlines()[0].split(" ", 2)
    assert time_.startswith("2026-02-28T17:00:0")
    assert topic.startswith("application/")
    assert json.loads(payload)["rxInfo"][0]["metadata"] == {"khaen_origin": "simulated"}
    assert "simulated: " in once.stderr


def test_devices_of_a_simulated_site_without_sessions_get_some(
    khaen: Khaen, tmp_path: Path
) -> None:
    file = write_site(make_site(1), tmp_path)
    with (tmp_path / "devices.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    bare = {row["dev_eui"] for row in rows[::2]}
    for row in rows:
        row["dev_addr"] = "" if row["dev_eui"] in bare else row["dev_addr"]
    with (tmp_path / "devices.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    keys = (tmp_path / "keys.csv").read_text().splitlines(keepends=True)
    kept = [line for line in keys if line.split(",")[0] not in bare]
    (tmp_path / "keys.csv").write_text("".join(kept))
    done = khaen("simulate", file, "--application", "raw", *FAST)
    assert done.returncode == 0, done.stderr
    assert "silent" not in done.stderr
    assert bare & {json.loads(line)["dev_eui"] for line in done.stdout.splitlines()}
    radio = khaen("simulate", file, "--udp", "127.0.0.1:9", "--for", "1s")
    assert "silent, for they have no session keys" in radio.stderr


def test_life_befalls_elders_where_it_is_asked_for(khaen: Khaen) -> None:
    day = ("--application", "raw", "--speed", "max", "--from", "2026-03-01", "--for", "24h")
    sizes = ("--elders", "10", "--gateways", "1", "--sensors", "0", "--each", "2h")
    for life, calls in (("0", False), ("100", True)):
        said = khaen("simulate", *day, *sizes, "--life", life).stdout.splitlines()
        ports = {json.loads(line)["f_port"] for line in said}
        assert (SOS_PORT in ports) is calls


def test_raw_lines_and_bytes_tell_the_same_uplinks(khaen: Khaen, tmp_path: Path) -> None:
    lines = khaen("simulate", "--application", "raw", *FAST).stdout.splitlines()
    said = [(line["dev_eui"], line["f_cnt"]) for line in map(json.loads, lines)]
    with (tmp_path / "raw").open("wb") as file:
        subprocess.run(
            [sys.executable, "-m", "commands.main", "simulate", *RAW_BYTES, *FAST],
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    data = (tmp_path / "raw").read_bytes()
    assert data.startswith(MAGIC)
    data, found = data[len(MAGIC) :], []
    while data:
        (length,) = LENGTH.unpack_from(data)
        dev_eui, _micros, f_cnt, _f_port = HEAD.unpack_from(data, LENGTH.size)
        found.append((dev_eui.hex(), f_cnt))
        data = data[LENGTH.size + length :]
    assert found == said
    assert len(found) > 60


def test_a_broker_gets_what_was_said(
    khaen: Khaen, broker: Mosquitto, passwords: dict[str, Path]
) -> None:
    heard = Heard(broker.port, passwords["ingest"])
    try:
        assert heard.ready.wait(10)
        done = khaen(
            *("simulate", "--application", "chirpstack-protobuf", *FAST),
            *("--mqtt", f"127.0.0.1:{broker.port}", "--user", "network-server"),
            *("--password-file", passwords["network-server"]),
        )
        assert done.returncode == 0, done.stderr
        events = int(done.stderr.split(" events")[0].rpartition(" ")[2].replace(",", ""))
        deadline = time.monotonic() + 10
        while len(heard.messages) < events and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(heard.messages) == events > 60
        assert {message.qos for message in heard.messages} == {1}
    finally:
        heard.close()


def test_a_reader_that_goes_away_ends_it_quietly(
    process: Callable[..., subprocess.Popen[bytes]],
) -> None:
    command = (
        f"{sys.executable} -P -m commands.main simulate --application raw --speed max --for 10h "
        "2>errors | head -2"
    )
    running = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT / ".venv",
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert running.returncode == 0
    assert len(running.stdout.splitlines()) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_soon_and_well(
    process: Callable[..., subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    running = process("--application", "raw")
    assert running.stdout is not None
    assert b"dev_eui" in running.stdout.readline()
    running.send_signal(number)
    assert running.wait(STOP_S) == 0
    rest = running.stdout.read()
    assert b"simulated: " in rest
    assert b"Traceback" not in rest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.yaml",), "nowhere.yaml"),
        ((str(EXAMPLE),), "--as-simulated"),
        ((str(EXAMPLE), "--as-simulated", "--elders", "5"), "--elders"),
        (("--for", "soon"), "--for: 'soon' is no span"),
        (("--for", "-5s"), "--for"),
        (("--each", "0s"), "--each"),
        (("--from", "yesterday"), "--from 'yesterday'"),
        (("--from", "2026-03-01T10:00:00"), "--from"),
        (("--application", "raw", "--speed", "fast"), "--speed 'fast'"),
        (("--speed", "10"), "--speed"),
        (("--rate", "10"), "--rate goes with --application"),
        (("--mqtt", "localhost"), "--mqtt goes with --application"),
        (("--application", "raw", "--mqtt", "127.0.0.1:9"), "no topic"),
        (("--application", "tts", "--mqtt", "nobody:nowhere"), "HOST"),
        (("--application", "tts", "--mqtt", "h:1", "--config", "c.toml"), "two brokers"),
        (("--agents", "024b4bfffe000001"), "HOST:PORT"),
        (("--agents", "xyz=127.0.0.1:1700"), "EUI=HOST:PORT"),
        (("--agents", "ffffffffffffffff=127.0.0.1:1700"), "no such gateway"),
        (("--udp", "127.0.0.1:notaport"), "HOST:PORT"),
        (("--fault", "lost=0.1"), "fault 'lost' is none"),
        (("--fault", "loss=0.1,gateway=zz"), "no gateway 'zz'; near it: gw-1"),
        (("--fault", "loss=0.1,device=zz"), "no device 'zz'"),
        (("--application", "raw", "--fault", "loss=0.1"), "--fault befalls messages"),
        (("--application", "raw", "--inside"), "say one of them"),
        (("--inside",), "--inside: say how long"),
        (("--inside", "--memory", "m.json"), "--memory goes with radio"),
        (("--application", "raw", "--join-keys", "k.csv"), "--join-keys goes with radio"),
        (("--udp", "127.0.0.1:9", "--join-keys", "k.csv"), "no device of this site joins"),
        (("--udp", "127.0.0.1:9", "--memory", "."), "--memory .: "),
    ],
)
def test_what_cannot_be_is_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(KhaenError) as caught:
        app(list(arguments), standalone_mode=False)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_its_exit_status_is_2_and_nothing_else_is_said(khaen: Khaen, free_port: int) -> None:
    done = khaen("simulate", "--application", "tts", "--mqtt", f"127.0.0.1:{free_port}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"khaen: 127.0.0.1:{free_port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_that_refuses_the_password_is_one_clear_line(
    khaen: Khaen, broker: Mosquitto, passwords: dict[str, Path]
) -> None:
    done = khaen(
        *("simulate", "--application", "chirpstack", "--mqtt", f"127.0.0.1:{broker.port}"),
        *("--username", "network-server", "--password-file", passwords["wrong"]),
    )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "refuses us" in last
    assert "--username" in last
    assert "secret of" not in done.stderr
    assert "Traceback" not in done.stderr


def test_radio_goes_to_an_agent_that_runs(
    process: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(20)
        port = agent.getsockname()[1]
        running = process("--agents", f"024b4bfffe000001=127.0.0.1:{port}")
        kinds: set[int] = set()
        frames: list[object] = []
        while not frames:
            datagram, _ = agent.recvfrom(65_536)
            assert datagram[4:12].hex() == "024b4bfffe000001"
            kinds.add(datagram[3])
            frames += json.loads(datagram[12:])["rxpk"] if datagram[3] == 0 else []
        assert 2 in kinds  # PULL_DATA
        running.send_signal(signal.SIGINT)
        assert running.wait(STOP_S) == 0
        assert running.stdout is not None
        assert b"no answer" not in running.stdout.read()


def test_devices_join_with_the_keys_that_were_written_and_never_reuse_a_nonce(
    khaen: Khaen, tmp_path: Path
) -> None:
    memory, keys_file = tmp_path / "memory.json", tmp_path / "keys.csv"
    nonces: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(0.1)
        for _ in range(2):
            done = khaen(
                *("simulate", "--elders", "1", "--gateways", "1", "--sensors", "0"),
                *(
                    "--seed",
                    "2",
                    "--network-server",
                    "--udp",
                    f"127.0.0.1:{agent.getsockname()[1]}",
                ),
                *("--memory", memory, "--join-keys", keys_file, "--for", "1s"),
            )
            assert done.returncode == 0, done.stderr
            header, row = keys_file.read_text().splitlines()
            assert header == "dev_eui,join_eui,app_key"
            dev_eui, join_eui, app_key = row.split(",")
            assert keys_file.stat().st_mode & 0o077 == 0
            assert app_key not in memory.read_text() + done.stdout + done.stderr
            for request in join_requests(agent):
                assert (request.dev_eui, request.join_eui) == (dev_eui, join_eui)
                assert verify_join_request(bytes.fromhex(app_key), request)
                nonces.append(request.dev_nonce)
    assert nonces == list(range(len(nonces)))
    assert len(nonces) >= 2


def join_requests(agent: socket.socket) -> Iterator[JoinRequest]:
    """All join requests that were pushed so far."""
    while True:
        try:
            datagram = agent.recv(65_536)
        except TimeoutError:
            return
        for entry in json.loads(datagram[12:]).get("rxpk", ()) if datagram[3] == 0 else ():
            frame = parse(base64.b64decode(entry["data"]))
            assert isinstance(frame, JoinRequest)
            yield frame


def test_inside_a_quarter_of_an_hour_is_soon_over_and_in_a_ledger(
    khaen: Khaen, tmp_path: Path
) -> None:
    arguments = ("--inside", "--from", "2026-03-01", "--for", "15min", "--each", "5min")
    done = khaen("simulate", *arguments, "--speed", "max", "--data", tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    assert "simulated 15m: heard " in done.stdout
    assert "missing 0" in done.stdout
    with closing(sqlite3.connect(tmp_path / "kept" / "ledger.sqlite")) as db:
        (count, first, last), *_ = db.execute(
            "SELECT count(*), min(received_at), max(received_at) FROM reception"
        )
    assert count > 150
    assert len(load(tmp_path / "kept" / "site" / "site.yaml").keys) == 60
    assert (tmp_path / "kept" / "site" / "keys.csv").stat().st_mode & 0o077 == 0
    start = 1_772_298_000  # 2026-03-01 in Thailand
    assert start <= first / 1e6 <= last / 1e6 <= start + 900


def test_inside_a_life_with_troubles_raises_alarms(khaen: Khaen) -> None:
    hour = ("--inside", "--from", "2026-03-01", "--for", "1h", "--each", "30min", "--speed", "max")
    sizes = ("--elders", "30", "--gateways", "1", "--sensors", "0")
    done = khaen("simulate", *hour, *sizes, "--life", "100")
    assert done.returncode == 0, done.stderr
    assert "missing 0" in done.stdout
    assert "P1 sos" in done.stdout


def test_inside_a_signal_ends_it_with_what_there_is(
    process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    running = process("--inside", "--for", "300d", "--speed", "max", "--data", str(kept))
    deadline = time.monotonic() + 20
    while not (kept / "ledger.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    assert running.wait(STOP_S) == 0
    assert running.stdout is not None
    said = running.stdout.read()
    assert b"simulated " in said
    assert b"Traceback" not in said
