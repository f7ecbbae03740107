"""What is put into a site's folder was checked, and a change has a version of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from decoders.javascript.addition import add
from decoders.javascript.cases import LIMITS_FOR_CASES
from decoders.javascript.engine import Engine
from decoders.javascript.family import load
from khaen.errors import SettingsError

CODECS = Path(__file__).parent / "codecs"
NAME = "khaen_pendant"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        engine.start()
        yield engine


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = shutil.copytree(CODECS, tmp_path / "vendor")
    return folder / f"{NAME}.js"


def a_case(payload: bytes, data: object) -> dict[str, object]:
    body = {"fPort": 4, "bytes": list(payload)}
    return {"name": "a press", "input": body, "expected": {"data": data}}


def test_a_codec_with_its_cases(tmp_path: Path, script: Path, engine: Engine) -> None:
    said = {"battery": "85%", "charging": True, "state": "pressed", "presses": 7, "force": 2.5}
    cases = [a_case(b"\x01\xd5\x07\x19", said), a_case(b"\0\0\0\0", {})]
    script.with_name(f"test_decode_{NAME}.json").write_text(json.dumps(cases))
    site = tmp_path / "codecs"
    added = add(script, script.with_suffix(".toml"), "pendant", site, engine)
    assert (added.version, added.cases, len(added.failures)) == (1, 2, 1)
    assert (added.unmapped, added.absent) == ((), ())
    assert list(load(site)) == ["pendant"]
    again = add(site / "pendant.js", site / "pendant.toml", "pendant", site, engine)
    assert again == added


def test_a_change_needs_a_version(tmp_path: Path, script: Path, engine: Engine) -> None:
    table, site = script.with_suffix(".toml"), tmp_path / "codecs"
    add(script, table, NAME, site, engine)
    script.write_text(script.read_text() + "\n// mended\n")
    with pytest.raises(SettingsError, match="give the mapping version = 2"):
        add(script, table, NAME, site, engine)
    table.write_text(table.read_text().replace("version = 1", "version = 2"))
    assert add(script, table, NAME, site, engine).version == 2


@pytest.mark.parametrize(
    ("source", "more", "name", "why"),
    [
        ("function Decoder(", "", NAME, "cannot be loaded"),
        ("var nothing;", "", NAME, "cannot be loaded"),
        (None, "draft = true\n", NAME, "it is a draft"),
        (None, "colour = 1\n", NAME, "colour"),
        (None, "", "Pendant 2", "try pendant_2"),
    ],
)
def test_what_is_wrong_is_not_taken(
    tmp_path: Path, script: Path, engine: Engine, source: str | None, more: str, name: str, why: str
) -> None:
    if source is not None:
        script.write_text(source)
    table = script.with_suffix(".toml")
    table.write_text(more + table.read_text())
    with pytest.raises(SettingsError, match=why):
        add(script, table, name, tmp_path / "codecs", engine)
    assert not (tmp_path / "codecs").exists()
