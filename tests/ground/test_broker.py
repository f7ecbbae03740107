"""The broker that tests start is a real one, and forgets what it should forget."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.broker import Mosquitto, find_mosquitto

Broker = Callable[..., Mosquitto]


def run_client(
    name: str, broker: Mosquitto, folder: Path, *arguments: str, users: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # Debian's clients read further options, one a line, from XDG_CONFIG_HOME.
    for user, password in (users or {}).items():
        (folder / name).write_text(f"--username {user}\n--pw {password}\n")
    return subprocess.run(
        [find_mosquitto(name), "-h", broker.host, "-p", str(broker.port), *arguments],
        env={"XDG_CONFIG_HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def retain(broker: Mosquitto, folder: Path) -> None:
    done = run_client("mosquitto_pub", broker, folder, "-t", "a", "-m", "kept", "-q", "1", "-r")
    assert done.returncode == 0, done.stderr


def read_retained(broker: Mosquitto, folder: Path) -> str:
    done = run_client("mosquitto_sub", broker, folder, "-t", "a", "-C", "1", "-W", "1")
    return done.stdout.strip()


def test_carries_messages_and_stops(mosquitto: Broker, tmp_path: Path) -> None:
    broker = mosquitto()
    retain(broker, tmp_path)
    assert read_retained(broker, tmp_path) == "kept"
    broker.stop()
    with socket.socket() as probe:
        assert probe.connect_ex((broker.host, broker.port)) != 0


def test_forgets_without_persistence_when_killed(mosquitto: Broker, tmp_path: Path) -> None:
    broker = mosquitto()
    retain(broker, tmp_path)
    port = broker.port
    broker.kill()
    broker.start()
    assert broker.port == port
    assert read_retained(broker, tmp_path) == ""


def test_remembers_with_persistence_over_a_restart(mosquitto: Broker, tmp_path: Path) -> None:
    broker = mosquitto(persistence=True)
    retain(broker, tmp_path)
    first = broker.pid
    broker.restart()
    assert broker.pid != first
    assert read_retained(broker, tmp_path) == "kept"


def test_knows_its_users(mosquitto: Broker, tmp_path: Path) -> None:
    broker = mosquitto(users={"gateway": "secret"})
    publish = ("-t", "a", "-m", "b", "-q", "1")
    assert run_client("mosquitto_pub", broker, tmp_path, *publish).returncode != 0
    known = run_client("mosquitto_pub", broker, tmp_path, *publish, users={"gateway": "secret"})
    assert known.returncode == 0, known.stderr
    passwords = broker.folder / "passwords"
    assert "secret" not in passwords.read_text()
    assert passwords.stat().st_mode & 0o077 == 0


def test_two_stand_beside_each_other(mosquitto: Broker) -> None:
    assert mosquitto().port != mosquitto().port


def test_a_refused_setting_is_told(mosquitto: Broker) -> None:
    with pytest.raises(AssertionError, match="no_such_setting"):
        mosquitto(settings=["no_such_setting true"])
