"""`khaen site`: what it says, and with which exit status."""

import json
import shutil
from pathlib import Path

from tests.commands.conftest import EXAMPLE, ROOT, Khaen


def test_the_example_is_right(khaen: Khaen) -> None:
    done = khaen("site", "check", EXAMPLE)
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert "nobody is called for 1 organisation(s)" in warning, "it is for trying out, and says so"
    assert "1 gateway(s), 2 device(s): no errors" in done.stdout


def test_what_is_wrong_is_said_line_by_line(khaen: Khaen, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("place: centre", "place: center").replace("as923 ", "a b ")
    (tmp_path / "site.yaml").write_text(text)
    (tmp_path / "devices.csv").write_text("dev_eui,family,organisation\n12,ws101,nong-kham\n")
    done = khaen("site", "check", "site.yaml")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    lines = done.stderr.removeprefix("khaen: ").splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "site.yaml:7",
        "site.yaml:32",
        "devices.csv:2",
        "devices.csv:2",
    ]
    assert "did you mean 'centre'?" in lines[1]
    assert "there is no family 'ws101' (did you mean 'milesight_ws101'?)" in lines[3]


def test_warnings_are_said_aloud_and_do_not_refuse(khaen: Khaen, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("network_server: true", "network_server: false")
    (tmp_path / "site.yaml").write_text(text)
    shutil.copy(EXAMPLE.with_name("devices.csv"), tmp_path)
    done = khaen("site", "check", "site.yaml")
    assert done.returncode == 0
    assert "warning: devices.csv:2: devices[0]: nobody can open this device's frames" in done.stderr


def test_keys_are_made_once_and_never_shown(khaen: Khaen, tmp_path: Path) -> None:
    text = EXAMPLE.read_text() + "keys_file: keys.csv\n"
    (tmp_path / "site.yaml").write_text(text)
    devices = EXAMPLE.with_name("devices.csv").read_text().splitlines()
    rows = [
        f"{row},{tail}" for row, tail in zip(devices, ("dev_addr", "", "26011001"), strict=True)
    ]
    (tmp_path / "devices.csv").write_text("\n".join(rows))
    refused = khaen("site", "check", "site.yaml")
    assert refused.returncode == 2
    assert "khaen site keys" in refused.stderr
    made = khaen("site", "keys", "site.yaml")
    assert made.returncode == 0
    assert "Traceback" not in made.stderr
    keys = tmp_path / "keys.csv"
    assert keys.stat().st_mode & 0o777 == 0o600
    content = keys.read_text()
    assert content.splitlines()[1].startswith("24e124136b502217,")
    assert not any(key in made.stdout for key in content.splitlines()[1].split(",")[1:])
    again = khaen("site", "keys", "site.yaml")
    assert "keys made for 0 device(s); 1 had keys" in again.stdout
    assert keys.read_text() == content
    assert khaen("site", "check", "site.yaml").returncode == 0


def test_applying_shows_the_difference_first(khaen: Khaen, config: Path) -> None:
    assert khaen("ledger", "init", "--config", config).returncode == 0
    dry = khaen("site", "apply", EXAMPLE, "--config", config, "--dry-run")
    assert dry.returncode == 0
    assert "+ device 24e124535b316056 added" in dry.stdout
    unasked = khaen("site", "apply", EXAMPLE, "--config", config)
    assert (unasked.returncode, "say --yes" in unasked.stderr) == (2, True)
    done = khaen("site", "apply", EXAMPLE, "--config", config, "--yes")
    assert done.stdout.splitlines()[-1] == "applied"
    again = khaen("site", "apply", EXAMPLE, "--config", config, "--yes")
    assert again.stdout == "the registry is as the site file says\n"


def test_a_change_names_its_fields(khaen: Khaen, config: Path, tmp_path: Path) -> None:
    khaen("ledger", "init", "--config", config)
    khaen("site", "apply", EXAMPLE, "--config", config, "--yes")
    (tmp_path / "site.yaml").write_text(EXAMPLE.read_text().replace("Roof of", "Mast by"))
    rows = EXAMPLE.with_name("devices.csv").read_text().splitlines()
    (tmp_path / "devices.csv").write_text("\n".join(rows[:2]))
    done = khaen("site", "apply", "site.yaml", "--config", config, "--yes")
    assert done.stdout.splitlines() == [
        "~ gateway ac1f09fffe0a0b01 changed; name: Roof of the centre → Mast by the centre",
        "- device 24e124136b502217 retired",
        "applied",
    ]


def test_the_schema_is_the_committed_one(khaen: Khaen) -> None:
    printed = json.loads(khaen("site", "schema").stdout)
    assert printed == json.loads((ROOT / "docs" / "site.schema.json").read_text())
