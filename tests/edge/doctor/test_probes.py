"""Looking at a real machine: outbox files, brokers, ports."""

import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.doctor import probes
from edge.settings import EdgeSettings, OutboxSettings
from khaen.mqtt import MqttSettings
from tests.edge.fixtures import GATEWAY, make_arrival, make_outbox, run
from tests.support.broker import Mosquitto


def settings_of(path: Path) -> EdgeSettings:
    return EdgeSettings(gateway_eui=GATEWAY, site="kk", outbox=OutboxSettings(path=path))


def test_an_outbox_that_its_agent_writes(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    run(outbox, lambda: outbox.append([make_arrival(), make_arrival()]))
    facts = probes.look_at_outbox(settings_of(path))
    outbox.close()
    assert (facts.problem, facts.damaged, facts.read_only, facts.backlog) == ("", False, False, 2)
    assert facts.spare != 0


def test_an_outbox_that_is_not_there_or_has_no_folder(tmp_path: Path) -> None:
    facts = probes.look_at_outbox(settings_of(tmp_path / "no/folder/outbox.sqlite"))
    assert "unable to open" in facts.problem
    assert not facts.damaged


def test_a_damaged_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = make_outbox(path)
    run(outbox, lambda: outbox.append([make_arrival()] * 500))
    outbox.close()
    with sqlite3.connect(path) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // size):
            file.seek(page * size)
            file.write(os.urandom(64))
    facts = probes.look_at_outbox(settings_of(path))
    assert facts.damaged, facts.problem


def test_a_broker_that_takes_us_and_one_that_does_not(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto(users={"gateway": "right"})
    password = tmp_path / "password"
    account = MqttSettings(port=broker.port, username="gateway", password_file=password)
    password.write_text("right")
    assert probes.reach(account, GATEWAY, 10) == ""
    password.write_text("wrong")
    assert "uthori" in probes.reach(account, GATEWAY, 10)
    password.unlink()
    assert "cannot read" in probes.reach(account, GATEWAY, 10)


def test_a_broker_that_is_not_there(free_port: int) -> None:
    assert str(free_port) in probes.reach(MqttSettings(port=free_port), GATEWAY, 10)


def test_a_broker_that_never_answers(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        reason = probes.reach(MqttSettings(port=free_port), GATEWAY, 0.3)
    assert reason == "no answer within 0.3 s"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_who_holds_a_port(family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as held:
        held.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
        port = held.getsockname()[1]
        own = Path("/proc/self/comm").read_text().strip()
        assert probes.find_udp_holder(port) == own
    assert probes.find_udp_holder(port) is None
