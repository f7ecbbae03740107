"""`khaen codecs`: what it prints, what it puts where, and what it refuses in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pydantic import SecretBytes
from typer.testing import CliRunner, Result

from commands.codecs import app
from decoders.collection import Collection
from ingest.in_process import InProcess, Sent
from khaen.clock import ManualClock
from khaen.errors import SettingsError
from khaen.ids import DevEui
from store import registry
from store.database import Database
from tests.commands.conftest import ROOT, Khaen
from tests.support.traffic import START, Device, Gateway, dev_addr, make_site, session_keys

CODECS = ROOT / "tests" / "decoders" / "javascript" / "codecs"
POST = "010123 0237 03000186a0 05010ab4 05 02ffff 0601 0769dc7f00 04e2 99"


def run(*arguments: str | Path, expect: int = 0) -> str:
    result: Result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == expect, result.output
    return result.output


def refuse(*arguments: str | Path) -> str:
    error = CliRunner().invoke(app, [*map(str, arguments)]).exception
    assert isinstance(error, SettingsError)
    return str(error)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(CODECS, tmp_path / "codecs")


def test_families_of_both_kinds_are_listed(folder: Path) -> None:
    (folder / "odd.js").write_text("")
    lines = run("list", "--codecs", folder).splitlines()
    by = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert (by["khaen_wristband"], by["khaen_weather_post"]) == ("native", "codec")
    assert any("odd.toml is not beside it" in line for line in lines)


def test_one_family_is_shown(folder: Path) -> None:
    text = run("show", "khaen_weather_post", "--codecs", folder)
    assert "version: 3" in text
    assert "channels[*].mm" in text
    assert "calls: SOS, fall" in run("show", "khaen_pendant", "--codecs", folder)
    assert "read by: native" in run("show", "khaen_wristband", "--codecs", folder)


def test_a_payload_is_tried(folder: Path) -> None:
    text = run("try", "khaen_weather_post", "--port", "7", POST, "--codecs", folder)
    rows = {line.split()[0]: line.split() for line in text.splitlines()}
    assert rows["air_temperature"][1:4] == ["29.1", "Cel", "good"]
    assert rows["pressure"][-1] == "pressurePa"
    assert "warning: no distance: 65535" in text
    assert 'raw: board = "-30 °C"' in text
    press = run("try", "khaen_pendant", "--port", "4", "01d50719", "--codecs", folder)
    assert "event: sos, press 7, force 2.5" in press
    native = run("try", "milesight_em300_th", "--port", "85", "0367f600", "--codecs", folder)
    assert "24.6" in native


def test_a_codec_without_an_answer(tmp_path: Path) -> None:
    (tmp_path / "odd.js").write_text("function Decoder() { throw new Error('no'); }")
    text = run("try", tmp_path / "odd.js", "00", "--codecs", tmp_path, expect=1)
    assert "the codec has no answer: thrown" in text


def test_from_a_checkout_to_a_family(tmp_path: Path) -> None:
    vendor = tmp_path / "checkout" / "vendors" / "khaen" / "codecs"
    vendor.mkdir(parents=True)
    shutil.copy(CODECS / "khaen_pendant.js", vendor / "pendant.js")
    case = {"name": "a", "input": {"fPort": 4, "bytes": [0, 85, 0, 0]}}
    case["expected"] = {
        "data": {"battery": "85%", "charging": False, "state": "idle", "presses": 0, "force": 0}
    }
    (vendor / "test_decode_pendant.json").write_text(json.dumps([case]))
    site = tmp_path / "codecs"

    assert "1 cases: 1 pass" in run("test", tmp_path / "checkout")
    assert "1 new" in run("import", tmp_path / "checkout", "--codecs", site)
    draft = site / "drafts" / "khaen_pendant.js"
    assert "battery_level" in run("try", draft, "--port", "4", "00550000", "--codecs", site)
    assert "it is a draft" in refuse("add", draft, "--codecs", site)
    table = draft.with_suffix(".toml")
    assert "draft = true" in run("draft-mapping", draft)
    shutil.copy(CODECS / "khaen_pendant.toml", table)
    assert "1 of 1 cases pass" in run("add", draft, "--as", "pendant", "--codecs", site)
    assert "pendant" in run("list", "--codecs", site)
    assert "1 pass" in run("test", "pendant", "--codecs", site)
    case["expected"] = {"data": {}}
    (site / "test_decode_pendant.json").write_text(json.dumps([case]))
    assert "1 do not" in run("test", "--codecs", site, expect=1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("try", "khaen_wristband", "0g"), "is not hex"),
        (("try", "khaen_kite", "00"), "no family 'khaen_kite'"),
        (("try", "none.js", "00"), "none.js: cannot be read"),
        (("show", "khaen_kite"), "no family 'khaen_kite'"),
        (("test", "khaen_kite"), "there is no such codec"),
        (("import", "/nonexistent"), "give the checkout's first folder"),
        (("draft-mapping", "none.js"), "there is no such codec"),
        (("add", CODECS / "khaen_pendant.js", "--as", "khaen_wristband"), "is a native family"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    said = refuse(*arguments, *(() if arguments[0] == "draft-mapping" else ("--codecs", tmp_path)))
    assert why in said
    assert "\n" not in said


def test_the_settings_name_the_folder(khaen: Khaen, config: Path, folder: Path) -> None:
    assert "--codecs" in khaen("codecs", "add", "x.js", "--config", config).stderr
    config.write_text(config.read_text() + f'[decoders]\ncodecs = "{folder}"\n')
    done = khaen("codecs", "try", "khaen_pendant", "--port", "4", "01d50719", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "event: sos, press 7" in done.stdout


def test_a_site_file_names_its_codecs_like_any_family(khaen: Khaen, tmp_path: Path) -> None:
    site = shutil.copytree(ROOT / "examples" / "site", tmp_path / "site")
    for file in site.iterdir():
        file.write_text(file.read_text().replace("milesight_ws101", "khaen_pendant"))
    file = site / "site.yaml"
    done = khaen("site", "check", file)
    assert "there is no family 'khaen_pendant'" in done.stderr
    codecs = shutil.copytree(CODECS, site / "codecs")
    assert khaen("site", "check", file).returncode == 0
    table = codecs / "khaen_pendant.toml"
    table.write_text("draft = true\n" + table.read_text())
    done = khaen("site", "check", file)
    assert done.returncode == 2
    assert "family 'khaen_pendant' cannot be used" in done.stderr
    assert "it is a draft" in done.stderr


def test_another_version_over_the_ledgers_uplinks(
    khaen: Khaen, tmp_path: Path, config: Path, folder: Path
) -> None:
    assert khaen("ledger", "init", "--config", config).returncode == 0
    other = tmp_path / "other"
    shutil.copytree(CODECS, other / "codecs")
    table = other / "codecs" / "khaen_pendant.toml"
    text = table.read_text().replace("version = 1", "version = 2")
    table.write_text(text.replace('quantity = "charging"', 'quantity = "worn"'))
    with_it = ("codecs", "diff", "--with", other, "--codecs", folder, "--config", config)
    assert "0 messages, 0 uplinks" in khaen(*with_it).stdout

    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    key = (tmp_path / "ledger.key").read_bytes()
    with Collection(folder) as families:
        admit_presses(database, SecretBytes(key), families)
    database.close()
    done = khaen(*with_it)
    assert (done.returncode, done.stderr) == (0, "")
    assert "khaen_pendant: 2 of 2 uplinks read otherwise" in done.stdout
    assert "charging: 1 → –" in done.stdout
    assert "worn: – → 1" in done.stdout
    one = json.loads(khaen(*with_it, "--json", "--limit", "1").stdout)
    assert (one["taken"], one["families"]["khaen_pendant"]["changed"]) == (1, 1)
    assert "0 uplinks" in khaen(*with_it, "--device", "a1b2c3d4e5f60009").stdout
    assert "0 uplinks" in khaen(*with_it, "--since", "2099-01-01T00:00:00Z").stdout
    for wrong in (("--device", "x"), ("--since", "today")):
        done = khaen(*with_it, *wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    table.write_text("maker = 1")
    assert "khaen_pendant.toml: maker" in khaen(*with_it).stderr

    show = ("codecs", "show", "khaen_pendant", "--codecs", folder, "--config", config)
    assert "left nothing raw" in khaen(*show, "--seen", "9").stdout


def test_what_uplinks_left_raw_is_listed(
    khaen: Khaen, tmp_path: Path, config: Path, folder: Path
) -> None:
    assert khaen("ledger", "init", "--config", config).returncode == 0
    table = folder / "khaen_pendant.toml"
    text = table.read_text()
    entry = '[[readings]]\npath = "charging"\nquantity = "charging"\n'
    assert entry in text
    table.write_text(text.replace(entry, ""))
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    with Collection(folder) as families:
        admit_presses(database, SecretBytes((tmp_path / "ledger.key").read_bytes()), families)
    database.close()
    show = ("codecs", "show", "khaen_pendant", "--codecs", folder, "--config", config)
    assert "raw: charging, in 2 uplinks" in khaen(*show, "--seen", "9").stdout
    assert "raw: charging, in 1 uplinks" in khaen(*show, "--seen", "1").stdout


def admit_presses(database: Database, key: SecretBytes, families: Collection) -> None:
    """Two calls of a pendant, taken into the ledger as they would be."""
    dev_eui, gateway = DevEui("a1b2c3d4e5f60001"), Gateway()
    device = {"dev_eui": dev_eui, "family": "khaen_pendant", "organisation": "ward"}
    site = make_site(devices=[device | {"dev_addr": dev_addr(dev_eui)}])
    registry.apply(database, site, {dev_eui: session_keys(dev_eui)}, key)
    clock, pendant = ManualClock(START), Device(dev_eui)
    ingest = InProcess(database, key, clock, families=families)
    for press in (1, 2):
        phy = pendant.say(bytes((1, 0xD5, press, 0)), 4)
        ingest.take(Sent(topic=gateway.up, payload=gateway.hear(phy, clock.now())))
