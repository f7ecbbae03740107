"""`khaen scenario`: the outcome is a table, a file for machines, and an exit status."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.commands.conftest import Khaen

SCENARIO = """\
name: press
text: {th: กดปุ่ม, en: A press}
site: {elders: 1, gateways: 1}
lasts: 1m
acts:
  - {at: 10s, act: press, resident: R-0001, name: press}
expect:
  - {see: alarm, rule: sos, resident: R-0001, after: press, within: 2s}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "press.yaml"
    found.write_text(SCENARIO, encoding="utf-8")
    return found


def test_what_comes_true_is_shown_and_kept(khaen: Khaen, file: Path, tmp_path: Path) -> None:
    done = khaen("scenario", "run", file, "--keep", "kept", "--json", "o.json", "--junit", "o.xml")
    assert done.returncode == 0, done.stderr
    assert "elder R-0001 presses for help" in done.stdout
    assert "press: all as expected" in done.stdout
    assert "press (ซ้อม simulated, inside): " in done.stdout
    (outcome,) = json.loads((tmp_path / "o.json").read_text())
    assert outcome["met"]
    assert outcome["simulated"] is True
    assert 0 < outcome["expectations"][0]["after_s"] < 2
    (suite,) = ET.fromstring((tmp_path / "o.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert suite.find("properties/property[@name='simulated'][@value='true']") is not None
    assert (tmp_path / "kept" / "press" / "ledger.sqlite").exists()
    assert (tmp_path / "kept" / "press").stat().st_mode & 0o077 == 0


def test_a_miss_is_told_and_is_no_success(khaen: Khaen, file: Path, tmp_path: Path) -> None:
    file.write_text(SCENARIO.replace("rule: sos", "rule: fall"), encoding="utf-8")
    done = khaen("scenario", "run", file, "--junit", "o.xml")
    assert done.returncode == 1
    assert "press: 1 not as expected" in done.stdout
    assert done.stderr == ""
    (failure,) = ET.fromstring((tmp_path / "o.xml").read_text()).iter("failure")
    assert "no such alarm" in str(failure.get("message"))


def test_a_bad_file_is_a_clear_line(khaen: Khaen, file: Path) -> None:
    file.write_text(SCENARIO.replace("resident: R-0001, name", "resident: R-0002, name"))
    for verb in ("check", "run"):
        done = khaen("scenario", verb, file)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            f"khaen: {file}:6: acts[0].resident: the site has no resident with a wristband "
            "'R-0002' (near it: R-0001)\n"
        )


def test_a_scenario_that_cannot_run_for_real_says_so(khaen: Khaen, file: Path) -> None:
    done = khaen("scenario", "run", file, "--real")
    assert done.returncode == 2
    assert "cannot run real; its `runs` says how it can" in done.stderr


def test_a_file_that_is_not_there_and_a_folder_that_is(
    khaen: Khaen, file: Path, tmp_path: Path
) -> None:
    gone = khaen("scenario", "check", "gone.yaml")
    assert gone.returncode == 2
    assert "gone.yaml: there is no such file" in gone.stderr
    (tmp_path / "kept" / "press").mkdir(parents=True)
    done = khaen("scenario", "run", file, "--keep", "kept")
    assert done.returncode == 2
    assert "name a new folder: --keep" in done.stderr


def test_shipped_scenarios_are_listed_and_found_by_name(khaen: Khaen) -> None:
    listed = khaen("scenario", "list")
    assert "gateway-72-hours" in listed.stdout
    checked = khaen("scenario", "check", "gateway-72-hours")
    assert checked.stdout.startswith("gateway-72-hours: ")


def test_a_mistyped_name_is_told_the_near_one(khaen: Khaen) -> None:
    done = khaen("scenario", "run", "gateway-72-hour")
    assert done.returncode == 2
    assert "did you mean 'gateway-72-hours'? (see `khaen scenario list`)" in done.stderr


def test_a_file_that_cannot_be_written_is_told_before_the_run(khaen: Khaen, file: Path) -> None:
    done = khaen("scenario", "run", file, "--json", "nowhere/o.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere/o.json: No such file or directory" in done.stderr


@pytest.fixture
def long_run() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "commands.main", "scenario", "run", "gateway-72-hours"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == "\n"
        assert "gateway-72-hours" in running.stdout.readline()
        yield running
        running.kill()


def test_a_signal_ends_it_in_order(long_run: subprocess.Popen[str]) -> None:
    long_run.send_signal(signal.SIGINT)
    _, said = long_run.communicate(timeout=60)
    assert long_run.returncode == 130
    assert said == "khaen: stopped before the end; nothing of it runs any more\n"


def test_a_reader_that_goes_away_ends_it_quietly(long_run: subprocess.Popen[str]) -> None:
    assert long_run.stdout is not None
    assert long_run.stderr is not None
    long_run.stdout.close()
    assert long_run.stderr.read() == ""
    assert long_run.wait(timeout=60) == 1
