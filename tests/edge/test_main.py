"""`khaen-edge check` and `--print-config`, as somebody at the machine sees them."""

import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edge.main import main
from edge.remote import memory
from edge.remote.memory import Memory
from khaen.configuration import Configuration
from tests.edge.agent import REPOSITORY, write_config


def configure(folder: Path, **settings: object) -> Path:
    """A gateway that keeps a configuration from afar."""
    file = write_config(folder, 1883)
    file.write_text(file.read_text() + "[remote]\nenabled = true\n")
    kept = Configuration(id="calm", settings=settings)
    memory.save(folder / "outbox-remote.json", Memory(kept=kept))
    return file


def test_check_is_of_what_would_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = configure(tmp_path, heartbeat_s=30)
    assert main(["check", "--config", str(file)]) == 0
    first = capsys.readouterr().out
    assert "settings are right" in first
    configure(tmp_path, heartbeat_s=31)
    assert main(["check", "--config", str(file)]) == 0
    assert capsys.readouterr().out != first, "another hash"
    configure(tmp_path, site="another")
    assert main(["check", "--config", str(file)]) == 0
    assert (
        "the configuration from afar is set aside: site: not from afar" in capsys.readouterr().out
    )


def test_check_says_all_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outbox.sqlite").mkdir()
    file = write_config(tmp_path, 1883)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(file.read_text().replace("metrics_port = 0", f"metrics_port = {port}"))
        assert main(["check", "--config", str(file)]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"khaen-edge: outbox.path: {tmp_path}/outbox.sqlite cannot be written by this user",
        f"khaen-edge: metrics_port: 127.0.0.1:{port}: Address already in use",
    ]
    assert "settings are right" not in said.out


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_settings_in_force_are_printed_and_nothing_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file = configure(tmp_path, heartbeat_s=30)
    before = sorted(tmp_path.iterdir())
    assert main([command, "--print-config", "--config", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "heartbeat_s = 30.0  # remote" in printed.splitlines()
    assert tomllib.loads(printed)["mqtt"]["port"] == 1883
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gatway_eui = 1\n", "gatway_eui: there is no such key; is gateway_eui meant?"),
        ("[mqtt]\npassword = 'x'\n", "mqtt.password: there is no such key; is password_file"),
        ("[mqtt]\nhost = ''\n", "mqtt.host: "),
        ("[mqtt]\nhost = 'mqtt://broker'\n", "mqtt.host: "),
        ("[[gateways]]\neu = '0016c001f153a14d'\n", "gateways.0.eu"),
    ],
)
def test_a_wrong_key_is_named_with_the_right_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    file = tmp_path / "edge.toml"
    outbox = f'[outbox]\npath = "{tmp_path}/outbox.sqlite"\n'
    head = 'gateway_eui = "0016c001f153a14c"\nsite = "kk"\nmetrics_port = 0\n'
    file.write_text(head + line + outbox if line[0] != "[" else head + outbox + line)
    assert main(["check", "--config", str(file)]) == 1
    assert words in capsys.readouterr().err


def call(file: Path, command: str, *options: str, **how: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "edge.main", command, "--config", str(file), *options],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def test_whoever_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    for output, status, said in ((write, 1, ""), (None, 1, "cannot write the output")):
        with Path("/dev/full").open("w") as full:
            process = call(write_config(tmp_path, 1883), "check", stdout=output or full)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == status
        assert said in errors
        assert "Traceback" not in errors
    os.close(write)


def test_ctrl_c_ends_a_command_quietly(tmp_path: Path) -> None:
    file = write_config(tmp_path, 1883)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it answers nobody
        port = mute.getsockname()[1]
        file.write_text(file.read_text().replace("metrics_port = 0", f"metrics_port = {port}"))
        process = call(file, "drain", stdout=subprocess.DEVNULL)
        connection, _ = mute.accept()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        connection.close()
    assert process.returncode == 130
    assert errors == ""


@pytest.mark.parametrize("text", ["{", "[x", '"'])
def test_an_environment_that_is_no_json_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
) -> None:
    file = write_config(tmp_path, 1883)
    monkeypatch.setenv("KHAEN_MQTT", text)
    assert main(["check", "--config", str(file)]) == 1
    assert 'environment: error parsing value for field "mqtt"' in capsys.readouterr().err


@pytest.mark.parametrize("options", [["-n", "-5"], ["-n", "9" * 30], ["--kind", "bogus"]])
def test_tail_refuses_what_it_cannot_show(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tail", *options])
    assert ended.value.code == 2
