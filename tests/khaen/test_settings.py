"""Settings, plugins and logs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from khaen import plugins, ready
from khaen.errors import SettingsError
from khaen.settings import LedgerSettings, Settings, build, load


def write(folder: Path, text: str) -> Path:
    file = folder / "khaen.toml"
    file.write_text(text)
    return file


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KHAEN_INGEST__NAME", "env")
    file = write(tmp_path, '[ingest]\nname = "file"\ngroup_ms = 5\n[mqtt]\nversion = "3.1.1"\n')
    settings = load(Settings, file)
    assert (settings.ingest.name, settings.ingest.group_ms) == ("env", 5.0)
    assert settings.mqtt.version == "3.1.1"


def test_documents_lie_over_one_another_and_the_environment_over_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KHAEN_INGEST__NAME", "env")
    over = {"ingest": {"name": "over", "window": 7}}
    under = {"ingest": {"name": "under", "window": 8, "queue": 9}}
    ingest = build(Settings, over, under, where="here").ingest
    assert (ingest.name, ingest.window, ingest.queue) == ("env", 7, 9)
    with pytest.raises(SettingsError, match=r"ingest\.nme: there is no such key; is name"):
        build(Settings, {"ingest": {"nme": 1}}, under, where="here")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ingest]\nnme = 1\n", "ingest.nme"),
        ("[ingest]\nwindow = 0\n", "ingest.window"),
        ("[console]\nport = 'x'\n", "console.port"),
        ("log_level = 'MISINFORM'\n", "log_level"),
        ("[ingest]\nname = 'a/b'\n", "ingest.name"),
        ("[ingest\n", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, says: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(Settings, file)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml: cannot be read: No such file"):
        load(Settings, tmp_path / "nothing.toml")


def test_the_ledgers_key_is_checked_and_never_shown(tmp_path: Path) -> None:
    section = LedgerSettings(key_file=tmp_path / "key")
    with pytest.raises(SettingsError, match=r"ledger\.key_file"):
        section.key()
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(SettingsError, match="not 32 bytes"):
        section.key()
    (tmp_path / "key").write_bytes(b"k" * 32)
    assert section.key().get_secret_value() == b"k" * 32
    assert "kkk" not in repr(section.key())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugged"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "one.py").write_text("THING = 'a'\n")
    (folder / "two.py").write_text("THING = 'b'\n")
    (folder / "_shared.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("plugged")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_plugins_are_listed_without_importing_them(package: Path) -> None:
    assert plugins.names("plugged") == ("one", "two")
    assert "plugged.one" not in sys.modules
    assert plugins.load("plugged", "one", "THING", str) == "a"
    assert "plugged.two" not in sys.modules
    assert plugins.load_all("plugged", "THING", str, key=str) == {"a": "a", "b": "b"}


def test_a_plugin_without_its_constant_or_with_a_taken_key_is_an_error(package: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no 'three'; there are: one, two"):
        plugins.load("plugged", "three", "THING", str)
    with pytest.raises(SettingsError, match="lacks the constant OTHER"):
        plugins.load("plugged", "one", "OTHER", str)
    with pytest.raises(SettingsError, match="is taken already"):
        plugins.load_all("plugged", "THING", str, key=lambda _thing: "same")


def test_a_log_line_is_an_event_and_fields_from_any_thread() -> None:
    program = (
        "import threading\n"
        "from khaen import log\n"
        "log.configure(program='ingest')\n"
        "say = lambda: log.logger().info('uplink_committed', dev_eui='a1', elapsed_ms=3)\n"
        "thread = threading.Thread(target=say); thread.start(); thread.join()\n"
        "log.logger().debug('hidden')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert "level=info program=ingest event=uplink_committed dev_eui=a1 elapsed_ms=3" in line
    assert line.startswith("at=2")
    assert done.stdout == ""


def test_readiness_is_told_and_understood(capsys: pytest.CaptureFixture[str]) -> None:
    ready.announce("console", url="http://127.0.0.1:1/")
    line = capsys.readouterr().out
    assert json.loads(line) == {"ready": "console", "url": "http://127.0.0.1:1/"}
    assert ready.parse(line) == {"ready": "console", "url": "http://127.0.0.1:1/"}
    assert ready.parse("hello") is None
    assert ready.parse("[]") is None
