"""What an agent would run on, and where each key of it comes from."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from edge.desk.effective import Effective, Source, look, render
from edge.remote import memory
from edge.remote.memory import Memory
from edge.settings import EdgeSettings
from khaen.configuration import Configuration
from khaen.errors import SettingsError
from khaen.settings import build

FILE = """
gateway_eui = "0016c001f153a14c"
site = "kk"
heartbeat_s = 30
[mqtt]
host = "home"
password_file = "/etc/khaen/password"
ca_file = "/etc/khaen/ca.pem"
[remote]
enabled = {enabled}
path = "{path}"
"""
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def write(folder: Path, *, enabled: bool = True, **settings: Any) -> Path:
    path = folder / "remote.json"
    memory.save(path, Memory(kept=Configuration(id="a", settings=settings)))
    file = folder / "edge.toml"
    file.write_text(FILE.format(enabled=str(enabled).lower(), path=path))
    return file


def test_each_key_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHAEN_MQTT__KEEPALIVE", "30")
    found = look(write(tmp_path, heartbeat_s=20, mqtt={"host": "away", "keepalive": 9}))
    assert found.problem == ""
    assert found.settings.heartbeat_s == 20
    lines = render(found).splitlines()
    for line in (
        f"# configuration {found.settings.fingerprint()}",
        "# remote: a",
        'site = "kk"  # file',
        "heartbeat_s = 20.0  # remote",
        "status_s = 30.0  # default",
        'host = "away"  # remote',
        "keepalive = 30  # environment",
        'password_file = "/etc/khaen/password"  # file',
        "# cert_file is not set",
    ):
        assert line in lines
    assert lines.index("[mqtt]") < lines.index('host = "away"  # remote')


def test_without_remote_configuration_nothing_of_it_is_in_force(tmp_path: Path) -> None:
    found = look(write(tmp_path, enabled=False, heartbeat_s=20))
    assert (found.settings.heartbeat_s, found.kept) == (30, None)
    assert Source.REMOTE not in found.sources.values()


def test_one_that_does_not_fit_is_said_and_left_where_it_is(tmp_path: Path) -> None:
    file = write(tmp_path, site="another")
    found = look(file)
    assert found.settings.site == "kk"
    assert found.problem.startswith("the configuration from afar is set aside: site: not from afar")
    (tmp_path / "remote.json").write_text("{")
    assert "remote.json: is damaged" in look(file).problem
    assert (tmp_path / "remote.json").read_text() == "{"


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text("site = 5\n")
    with pytest.raises(SettingsError, match=r"edge\.toml: gateway_eui: is missing"):
        look(tmp_path / "edge.toml")


@effort(max_examples=30)
@given(
    TEXTS,
    st.floats(1, 3600),
    st.lists(st.tuples(st.integers(1, 2**64 - 1), TEXTS), max_size=3, unique_by=lambda g: g[0]),
)
def test_what_is_printed_is_a_settings_file_that_says_the_same(
    text: str, number: float, gateways: list[tuple[int, str]]
) -> None:
    document = {
        "gateway_eui": "0" * 16,
        "site": "kk",
        "mqtt": {"username": text, "host": text},
        "forward": {"resend_s": number},
        "gateways": [{"eui": f"{eui:016x}", "username": name} for eui, name in gateways],
    }
    settings = build(EdgeSettings, document, where="here")
    printed = tomllib.loads(render(Effective(settings=settings)))
    assert build(EdgeSettings, printed, where="there").model_dump() == settings.model_dump()
