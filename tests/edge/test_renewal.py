"""Renewed files are used when they can be, and only then."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from edge.forwarding.renewal import Renewal
from edge.warnings import Warnings
from khaen.clock import SystemClock
from khaen.mqtt import MqttSettings
from tests.support.authority import Authority, Identity


@dataclass
class Bench:
    """A gateway's files and who watches them."""

    authority: Authority
    own: Identity
    password: Path
    warnings: Warnings = field(default_factory=Warnings)
    renewed: int = 0

    def __post_init__(self) -> None:
        settings = MqttSettings(
            ca_file=self.authority.ca,
            cert_file=self.own.cert,
            key_file=self.own.key,
            password_file=self.password,
        )
        self.renewal = Renewal(settings, self.count, self.warnings, SystemClock())

    def count(self) -> None:
        self.renewed += 1

    async def check(self) -> int:
        """How often it was renewed in all."""
        await self.renewal.check()
        return self.renewed


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("first\n")
    return Bench(authority, authority.issue("gateway"), password)


async def test_nothing_changed_nothing_done(bench: Bench) -> None:
    assert await bench.check() == await bench.check() == 0


async def test_each_renewed_file_is_used_once(bench: Bench) -> None:
    bench.authority.issue("gateway")
    assert await bench.check() == await bench.check() == 1
    bench.password.write_text("second password\n")
    assert await bench.check() == await bench.check() == 2
    assert not list(bench.warnings)


async def test_a_broken_file_is_warned_of_and_leaves_the_connection(bench: Bench) -> None:
    good = bench.own.cert.read_bytes()
    bench.own.cert.write_text("half a certi")
    assert await bench.check() == 0
    assert list(bench.warnings) == ["certificate_unreadable"]
    bench.own.cert.unlink()
    assert await bench.check() == 0
    bench.own.cert.write_bytes(good)
    assert await bench.check() == 1
    assert not list(bench.warnings)


async def test_a_certificate_and_its_key_may_come_apart(bench: Bench, tmp_path: Path) -> None:
    new = Authority(tmp_path / "elsewhere").issue("gateway")
    bench.own.cert.write_bytes(new.cert.read_bytes())
    assert await bench.check() == 0
    assert list(bench.warnings) == ["certificate_unreadable"]
    bench.own.key.write_bytes(new.key.read_bytes())
    assert await bench.check() == 1
    assert not list(bench.warnings)


async def test_one_that_is_over_is_not_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr("edge.forwarding.renewal._log", log)
    bench.authority.issue("gateway", begins=timedelta(days=-2), ends=timedelta(days=-1))
    assert await bench.check() == 0
    assert list(bench.warnings) == ["certificate_unreadable"]
    assert f"{bench.own.cert} has expired" in log.error.call_args.kwargs["reason"]


async def test_without_files_there_is_nothing_to_look_at() -> None:
    await Renewal(MqttSettings(), lambda: None, Warnings(), SystemClock()).run()
