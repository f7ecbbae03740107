"""What may be set from afar, and what only on the machine."""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from edge.remote import local
from edge.remote.local import Local, find_changed, find_reason, flatten
from edge.settings import EdgeSettings
from khaen.errors import SettingsError

FILE = """
gateway_eui = "0016c001f153a14c"
site = "kk"
heartbeat_s = 30
[mqtt]
host = "home"
"""
SEALED = '\nca_file = "/etc/khaen/ca.pem"'
DEFAULTS = flatten(EdgeSettings(gateway_eui="00" * 8, site="kk").model_dump())  # type: ignore[arg-type]
OPEN = {
    "log_level": st.sampled_from(["DEBUG", "INFO", "WARNING", "ERROR"]),
    "heartbeat_s": st.integers(1, 120),
    "mqtt.host": st.sampled_from(["home", "away"]),
    "mqtt.port": st.integers(1, 65535),
    "forward.backlog_rate": st.integers(1, 1000),
    "forward.window": st.integers(2, 1024),
}


def make(folder: Path, text: str = FILE + SEALED) -> Local:
    file = folder / "edge.toml"
    file.write_text(text)
    return Local(file)


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their whole name, as tables."""
    tables: dict[str, Any] = {}
    for name, value in flat.items():
        *path, key = name.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[key] = value
    return tables


overlays = st.fixed_dictionaries({}, optional=OPEN)


@effort(max_examples=30)
@given(overlays)
def test_it_lies_over_the_file_and_over_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, over: dict[str, Any]
) -> None:
    machine = make(tmp_path_factory.mktemp("local"))
    before, after = machine.settings(), machine.lay(nest(over))
    found = flatten(after.model_dump())
    assert {key: found[key] for key in over} == over
    old = flatten(before.model_dump())
    assert set(find_changed(before, after)) == {key for key in over if over[key] != old[key]}
    assert machine.lay({}).model_dump() == before.model_dump()


@effort(max_examples=30)
@given(overlays, overlays)
def test_the_last_one_is_the_whole_of_it(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, Any], second: dict[str, Any]
) -> None:
    machine = make(tmp_path_factory.mktemp("local"))
    machine.lay(nest(first))
    assert (
        machine.lay(nest(second)).model_dump()
        == make(machine.file.parent).lay(nest(second)).model_dump()
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gateway_eui", "0016c001f153a14d"),
        ("gateways", [{"eui": "0016c001f153a14d"}]),
        ("gateways", []),
        ("site", "another"),
        ("simulated", True),
        ("trust_clock", True),
        ("region", "eu868"),
        ("encoding", "json"),
        ("metrics_port", 0),
        ("mqtt.password_file", "/etc/shadow"),
        ("mqtt.ca_file", "/etc/ssl/certs/ca-certificates.crt"),
        ("mqtt.cert_file", "/etc/passwd"),
        ("mqtt.key_file", "/etc/passwd"),
        ("outbox.path", "/tmp/outbox.sqlite"),
        ("outbox.hold_h", 0),
        ("forward.live_s", 9),
        ("forward.live_join_s", 9),
        ("forward.puback", True),
        ("remote.enabled", False),
        ("remote.path", "/tmp/remote.json"),
        ("remote.confirm_s", 900),
        ("udp.host", "0.0.0.0"),
        ("udp.port", 1701),
        ("udp.enabled", False),
        ("network_server.host", "away"),
        ("serial.device", "/dev/sda"),
        ("concentratord.event_url", "tcp://away:1"),
    ],
)
def test_what_only_the_machine_says(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{key}: not from afar: [a-z]"):
        make(tmp_path).lay(nest({key: value}))


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"heartbeat_s": 0}, "heartbeat_s: Input should be greater than 0"),
        ({"heartbeat_s": "soon"}, "heartbeat_s: Input should be a valid number"),
        ({"hartbeat_s": 30}, "hartbeat_s: not from afar: it is not among the settings that may be"),
        ({"forward": {"windw": 5}}, "forward.windw: there is no such key; is window meant?"),
        ({"forward.window": 5}, "forward.window: there is no such key"),
        ({"mqtt": 5}, "mqtt: not from afar"),
        ({"mqtt": {"port": 70000}}, "mqtt.port: Input should be less than or equal to 65535"),
        ({"forward": []}, "forward: not from afar"),
        ({"mqtt": {"version": {}, "host": {"x": 1}}}, "mqtt.host.x: not from afar"),
        ({"mqtt": {"host": []}}, "mqtt.host: Input should be a valid string"),
        ({"log_level": "MISINFORM"}, "log_level: String should match pattern"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, over: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        make(tmp_path).lay(over)
    assert says in str(refused.value)


@pytest.mark.parametrize("table", ["network_server", "concentratord"])
def test_an_empty_table_opens_no_source(tmp_path: Path, table: str) -> None:
    with pytest.raises(SettingsError, match=f"^{table}.*: not from afar"):
        make(tmp_path).lay({table: {}})


def test_every_key_is_either_open_or_has_a_reason_and_no_pattern_is_idle() -> None:
    for pattern in local._OPEN:
        assert any(fnmatch(key, pattern) for key in DEFAULTS), pattern
    opened = {key for key in DEFAULTS if find_reason(key) is None}
    assert {key.partition(".")[0] for key in opened} == {
        "log_level", "heartbeat_s", "status_s", "mqtt", "forward",
    }  # fmt: skip
    assert not [key for key in opened if key.endswith(("_file", "path", "puback"))]
    assert find_reason("what.comes.later") == local._ELSE


def test_a_password_is_told_in_the_clear_only_where_the_machine_says(tmp_path: Path) -> None:
    password = '\npassword_file = "/etc/khaen/password"'
    away = {"mqtt": {"host": "away"}}
    plain = make(tmp_path, FILE + password)
    with pytest.raises(SettingsError, match=r"^mqtt\.host: not from afar without TLS"):
        plain.lay(away)
    assert plain.lay({"mqtt": {"host": "home", "port": 1884}}).mqtt.port == 1884
    assert make(tmp_path, FILE + password + SEALED).lay(away).mqtt.host == "away"
    second = '\n[[gateways]]\neui = "0016c001f153a14d"' + password
    with pytest.raises(SettingsError, match="without TLS"):
        make(tmp_path, FILE + second).lay(away)
    with pytest.raises(SettingsError, match="without TLS"):
        make(tmp_path, FILE).lay(away)  # no password, but all that is heard


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heartbeat_s", 3600),
        ("forward.backlog_rate", 1e-300),
        ("forward.resend_s", 1e300),
        ("forward.resend_s", 1e-300),
        ("forward.resend_max_s", 1e300),
        ("forward.resend_priority_s", 1e300),
        ("forward.resend_priority_max_s", 1e300),
        ("forward.hasten_s", 1e300),
        ("forward.stuck_s", 1e300),
        ("forward.stuck_s", 1e-9),
    ],
)
def test_what_would_cripple_it_is_refused(tmp_path: Path, key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=key):
        make(tmp_path).lay(nest({key: value}))


def test_a_slower_heartbeat_of_the_machines_own_stays(tmp_path: Path) -> None:
    slow = make(tmp_path, FILE.replace("heartbeat_s = 30", "heartbeat_s = 600"))
    assert slow.lay({"status_s": 5}).heartbeat_s == 600


def test_the_environment_lies_over_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHAEN_MQTT__PORT", "1999")
    machine = make(tmp_path)
    over = {"mqtt": {"port": 1884, "keepalive": 30}}
    assert machine.lay(over).mqtt.port == 1999
    assert find_changed(machine.settings(), machine.lay(over)) == ("mqtt.keepalive",)
