"""What `khaen-edge check` can know before a start."""

import fcntl
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from edge.desk import check
from edge.desk.effective import Effective
from edge.settings import EdgeSettings
from khaen.clock import SystemClock
from khaen.settings import build
from tests.support.authority import Authority


def examine(folder: Path, mqtt: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    """The findings' texts, those that are not grave in brackets."""
    document = {
        "gateway_eui": "0016c001f153a14c",
        "site": "kk",
        "metrics_port": 0,
        "udp": {"port": 0},
        "outbox": {"path": folder / "outbox.sqlite"},
        "mqtt": mqtt or {},
        **facts,
    }
    settings = build(EdgeSettings, document, where="here")
    found = check.find(Effective(settings=settings), SystemClock())
    return [finding.text if finding.grave else f"({finding.text})" for finding in found]


def test_nothing_is_wrong_and_nothing_is_changed(tmp_path: Path) -> None:
    assert examine(tmp_path) == []
    assert examine(tmp_path / "to" / "be" / "made", remote={"enabled": True}) == []
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert examine(tmp_path / "file") == [f"outbox.path: {tmp_path / 'file'} is no folder"]
    (tmp_path / "outbox.sqlite").mkdir()
    (found,) = examine(tmp_path)
    assert found == f"outbox.path: {tmp_path / 'outbox.sqlite'} cannot be written by this user"


def test_ports_that_are_taken(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        ports = tcp.getsockname()[1], udp.getsockname()[1]
        wanted = {"metrics_port": ports[0], "udp": {"port": ports[1]}}
        assert examine(tmp_path, **wanted) == [
            f"metrics_port: 127.0.0.1:{ports[0]}: Address already in use",
            f"(udp: 127.0.0.1:{ports[1]}: Address already in use)",
        ]
        with (tmp_path / "outbox.sqlite.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert examine(tmp_path, **wanted) == [
                "(an agent runs on this outbox: ports were not looked at)"
            ]


def test_passwords_of_every_gateway(tmp_path: Path) -> None:
    second = {"eui": "0016c001f153a14d", "password_file": str(tmp_path / "none")}
    (found,) = examine(tmp_path, gateways=[second])
    assert (
        found == f"mqtt.password_file: cannot read {tmp_path / 'none'}: No such file or directory"
    )


def test_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    good, other = authority.issue("good"), authority.issue("other")
    ended = authority.issue("ended", begins=timedelta(days=-9), ends=timedelta(days=-2))
    early = authority.issue("early", begins=timedelta(days=2))
    soon = authority.issue("soon", ends=timedelta(days=3, hours=1))
    for cert, key, says in (
        (good.cert, good.key, []),
        (good.cert, other.key, ["mqtt.cert_file: cannot use "]),
        (good.cert, tmp_path / "none", ["mqtt.cert_file: cannot use "]),
        (tmp_path / "none", good.key, ["mqtt.cert_file: cannot use "]),
        (ended.cert, ended.key, [f"mqtt: {ended.cert} ended "]),
        (early.cert, early.key, [f"mqtt: {early.cert} begins "]),
        (soon.cert, soon.key, [f"(mqtt: {soon.cert} ends in 3 days: renew it)"]),
    ):
        mqtt = {"ca_file": authority.ca, "cert_file": cert, "key_file": key}
        found = examine(tmp_path, mqtt)
        assert len(found) == len(says), found
        assert all(text.startswith(start) for text, start in zip(found, says, strict=True))
    (plain,) = examine(tmp_path, {"cert_file": good.cert, "key_file": good.key})
    assert plain == "mqtt.cert_file: without mqtt.ca_file there is no TLS to use it in"
