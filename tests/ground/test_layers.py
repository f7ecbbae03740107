"""Each contract of .importlinter catches what it is there for, and lets through what is allowed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOUSE = {
    "alarms/__init__.py": "",
    "alarms/engine.py": "import khaen.alarm",
    "alarms/program.py": "import asyncio, store.ledger, alarms.engine",
    "alarms/rules/__init__.py": "",
    "alarms/rules/sos.py": "import khaen.alarm",
    "commands/__init__.py": "",
    "commands/main.py": "import simulators, deploy, edge, ingest, khaen",
    "console/__init__.py": "import alarms.program",
    "dashboards/__init__.py": "",
    "decoders/__init__.py": "",
    "decoders/families/__init__.py": "",
    "decoders/families/band.py": "import khaen.alarm",
    "decoders/families/button.py": "import khaen.alarm",
    "deploy/__init__.py": "import khaen.site",
    "edge/__init__.py": "import khaen.alarm",
    "ingest/__init__.py": "",
    "ingest/pipeline.py": "import alarms.engine, alarms.rules, store.ledger, decoders",
    "khaen/__init__.py": "",
    "khaen/alarm.py": "import dataclasses",
    "khaen/mqtt.py": "import paho",
    "khaen/settings.py": "import pydantic_settings",
    "khaen/site/__init__.py": "import yaml",
    "simulators/__init__.py": "import ingest.pipeline",
    "store/__init__.py": "",
    "store/ledger.py": "import sqlite3, khaen.alarm",
}

# A part of the contract's name, and changes to the house of which each breaks it.
BREACHES = {
    "rows below them": [
        {"khaen/alarm.py": "import store"},
        {"store/__init__.py": "import decoders"},
        {"edge/__init__.py": "import ingest"},
        {"deploy/__init__.py": "import simulators"},
        {"alarms/program.py": "import console"},
    ],
    "A gateway is small": [
        {"edge/__init__.py": "import khaen.site"},
        {"edge/__init__.py": "import typer"},
        {"edge/__init__.py": "import khaen.alarm", "khaen/alarm.py": "import cryptography"},
        {"edge/__init__.py": "import store"},
    ],
    "Only the command line simulates": [{"khaen/alarm.py": "import simulators"}],
    "Ingest knows of alarms only": [
        {"ingest/pipeline.py": "import alarms.program"},
        {"ingest/pipeline.py": "from alarms import program"},
    ],
    "by whatever road": [
        {"alarms/engine.py": "import store.ledger"},
        {"alarms/rules/sos.py": "import khaen.alarm", "khaen/alarm.py": "import sqlite3"},
        {"decoders/families/band.py": "import urllib.request"},
    ],
    "touch no file": [
        {"alarms/engine.py": "import asyncio"},
        {"alarms/rules/sos.py": "from pathlib import Path"},
        {"decoders/families/band.py": "import time"},
    ],
    "Families of devices": [{"decoders/families/band.py": "import decoders.families.button"}],
}


def lint(folder: Path, changes: dict[str, str]) -> dict[str, str]:
    """KEPT or BROKEN by the contract's name, for the small house with `changes`."""
    for name, code in (HOUSE | changes).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code + "\n")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-cache",
            "--config",
            ROOT / ".importlinter",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(\S.*) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE))
    assert verdicts, done.stdout + done.stderr
    return verdicts


def test_what_is_allowed_is_kept(tmp_path: Path) -> None:
    verdicts = lint(tmp_path, {})
    assert set(verdicts.values()) == {"KEPT"}
    assert len(verdicts) == len(BREACHES)


@pytest.mark.parametrize(
    ("contract", "changes"),
    [
        pytest.param(contract, changes, id=f"{contract}-{number}")
        for contract, cases in BREACHES.items()
        for number, changes in enumerate(cases)
    ],
)
def test_a_breach_is_found(tmp_path: Path, contract: str, changes: dict[str, str]) -> None:
    verdicts = lint(tmp_path, changes)
    assert [name for name, verdict in verdicts.items() if contract in name and verdict == "BROKEN"]
