"""ChirpStack in the stand-in's place: its configuration, its life, and its key; with a program of
its name that does no more than that, for ChirpStack itself runs in conformance tests only.
"""

import socket
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from khaen.errors import NotRunnable
from khaen.mqtt import MqttSettings
from simulators.network import chirpstack
from simulators.network.chirpstack import ChirpStack
from simulators.network.plan import Network

LISTEN = """
import socket, sys, time
def listen(port):
    server = socket.create_server(("127.0.0.1", int(port)))
    while True:
        server.accept()[0].close()
"""
STORE = LISTEN + 'listen(sys.argv[sys.argv.index("--port") + 1])\n'
SERVER = (
    LISTEN
    + """
import pathlib, tomllib
folder = pathlib.Path(sys.argv[sys.argv.index("--config") + 1])
settings = tomllib.loads((folder / "chirpstack.toml").read_text())
if "create-api-key" in sys.argv:
    print("id: 1\\ntoken: key-of-" + sys.argv[sys.argv.index("--name") + 1])
else:
    listen(settings["api"]["bind"].rpartition(":")[2])
"""
)


def install(folder: Path, name: str, source: str) -> Path:
    """A program of that name."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{source}")
    file.chmod(0o755)
    return file


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A ChirpStack and a store on PATH, and nothing else."""
    folder = tmp_path / "bin"
    install(folder, "chirpstack", SERVER)
    install(folder, "redis-server", STORE)
    monkeypatch.setenv("PATH", str(folder))
    found = chirpstack.find()
    assert found is not None
    return found


def read(folder: Path, name: str) -> dict[str, Any]:
    return tomllib.loads((folder / name).read_text())


def test_it_is_found_only_with_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chirpstack.find() is None
    server = install(tmp_path, "chirpstack-sqlite", SERVER)
    assert chirpstack.find() is None
    store = install(tmp_path, "valkey-server", STORE)
    assert chirpstack.find() == (server, store)


async def test_it_starts_makes_a_key_and_stops(tmp_path: Path, programs: tuple[Path, Path]) -> None:
    server = ChirpStack(MqttSettings(), tmp_path / "cs", programs=programs)
    await server.start()
    host, _, port = server.api_address.rpartition(":")
    with socket.create_connection((host, int(port))):
        assert server.api_token == "key-of-khaen"
    await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


async def test_its_configuration(tmp_path: Path, programs: tuple[Path, Path]) -> None:
    password = tmp_path / "password"
    password.write_text('a "b" \\c\n')
    mqtt = MqttSettings(port=2883, username="chirpstack", password_file=password)
    folder = tmp_path / "cs"
    network = Network(mac_commands=False, max_dr=4)
    server = ChirpStack(mqtt, folder, programs=programs, network=network, json=False)
    await server.start()
    await server.stop()
    main, region = read(folder, "chirpstack.toml"), read(folder, "region_as923.toml")
    assert main["network"] == {
        "net_id": "000000",
        "enabled_regions": ["as923"],
        "mac_commands_disabled": True,
    }
    assert main["sqlite"]["path"] == f"sqlite://{folder}/chirpstack.sqlite"
    assert main["api"]["bind"] == server.api_address
    events = main["integration"]["mqtt"]
    assert (events["json"], events["qos"], events["server"]) == (False, 1, "tcp://127.0.0.1:2883")
    assert (events["username"], events["password"]) == ("chirpstack", 'a "b" \\c')
    (described,) = region["regions"]
    frames = described["gateway"]["backend"]["mqtt"]
    assert (frames["topic_prefix"], frames["qos"]) == ("as923", 1)
    assert frames["client_id"] != events["client_id"]
    assert max(len(frames["client_id"]), len(events["client_id"])) <= 23
    settings = described["network"]
    assert (settings["rx2_dr"], settings["rx2_frequency"], settings["max_dr"]) == (
        2, 923_200_000, 4,
    )  # fmt: skip
    extra = settings["extra_channels"]
    assert [channel["frequency"] for channel in extra][:6] == [
        923_600_000, 923_800_000, 924_000_000, 924_200_000, 924_400_000, 924_600_000,
    ]  # fmt: skip
    assert (extra[0]["data_rates"], extra[6]["data_rates"]) == ([0, 1, 2, 3, 4, 5], [6])
    for name in ("chirpstack.toml", "region_as923.toml"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


async def test_the_broker_certificates_are_named(
    tmp_path: Path, programs: tuple[Path, Path]
) -> None:
    mqtt = MqttSettings(port=8883, ca_file=Path("/ca.pem"), cert_file=Path("/c.pem"))
    folder = tmp_path / "cs"
    server = ChirpStack(mqtt, folder, programs=programs)
    await server.start()
    await server.stop()
    events = read(folder, "chirpstack.toml")["integration"]["mqtt"]
    assert (events["server"], events["ca_cert"]) == ("ssl://127.0.0.1:8883", "/ca.pem")
    assert (events["tls_cert"], events["tls_key"]) == ("/c.pem", "")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys; sys.exit('no such region')", "no such region"),
        ("", "it wrote nothing"),
        (SERVER.replace("token: ", "nothing: "), "no token"),
    ],
)
async def test_what_does_not_come_up_is_said_and_nothing_stays(
    tmp_path: Path, programs: tuple[Path, Path], source: str, said: str
) -> None:
    install(programs[0].parent, "chirpstack", source)
    server = ChirpStack(MqttSettings(), tmp_path / "cs", programs=programs)
    with pytest.raises(NotRunnable, match=said):
        await server.start()
