"""A whole catalogue becomes drafts: what is taken, what not, and what somebody began stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from decoders.javascript import cases, mapping, trials
from decoders.javascript.cases import LIMITS_FOR_CASES
from decoders.javascript.checkout import How, Taken, name_of, read, take
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

CODECS = Path(__file__).parent / "codecs"
PRESS = {
    "name": "a press",
    "input": {"fPort": 4, "bytes": [1, 0xD5, 7, 0x19]},
    "expected": {
        "data": {"battery": "85%", "charging": True, "state": "pressed", "presses": 7, "force": 2.5}
    },
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        engine.start()
        yield engine


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "vendors" / "Khaen" / "codecs"
    folder.mkdir(parents=True)
    shutil.copy(CODECS / "khaen_pendant.js", folder / "pendant-1.js")
    (folder / "test_decode_pendant-1.json").write_text(json.dumps([PRESS]))
    (folder / "broken.js").write_text("function Decoder(")
    (folder / "test_decode_broken.json").write_text("[]")
    (folder / "test_decode_gone.json").write_text("[]")
    return tmp_path / "checkout"


def taken(checkout: Path, drafts: Path, engine: Engine) -> dict[str, Taken]:
    drafts.mkdir(exist_ok=True)
    catalogue = read(cases.find(checkout), engine)
    return {each.name: each for each in take(catalogue, drafts, engine)}


def test_a_catalogue_is_taken(tmp_path: Path, checkout: Path, engine: Engine) -> None:
    drafts = tmp_path / "drafts"
    found = taken(checkout, drafts, engine)
    pendant = found["khaen_pendant_1"]
    assert (pendant.how, pendant.cases, pendant.failed) == (How.NEW, 1, 0)
    assert pendant.mapped > 0
    refused = {name: each.why for name, each in found.items() if each.how is How.REFUSED}
    assert set(refused) == {"khaen_broken", "test_decode_gone"}
    assert all(refused.values())
    table = drafts / "khaen_pendant_1.toml"
    assert mapping.read(table).draft
    with pytest.raises(SettingsError, match="it is a draft"):
        mapping.load(table)
    (trial,) = trials.run(trials.find("khaen_pendant_1", drafts), engine)
    assert (trial.cases, trial.failures) == (1, ())


def test_what_was_begun_stays(tmp_path: Path, checkout: Path, engine: Engine) -> None:
    drafts = tmp_path / "drafts"
    taken(checkout, drafts, engine)
    assert taken(checkout, drafts, engine)["khaen_pendant_1"].how is How.SAME
    table = drafts / "khaen_pendant_1.toml"
    table.write_text("# begun\n" + table.read_text())
    script = checkout / "vendors" / "Khaen" / "codecs" / "pendant-1.js"
    script.write_text(script.read_text() + "// mended\n")
    assert taken(checkout, drafts, engine)["khaen_pendant_1"].how is How.CHANGED
    assert table.read_text().startswith("# begun\n")
    assert (drafts / "khaen_pendant_1.js").read_text().endswith("// mended\n")


def test_two_of_one_name(tmp_path: Path, checkout: Path, engine: Engine) -> None:
    folder = checkout / "vendors" / "Khaen" / "codecs"
    for name in ("pendant-1.js", "test_decode_pendant-1.json"):
        shutil.copy(folder / name, folder / name.replace("-", "_"))
    hows = [each.how for each in take(read(cases.find(checkout), engine), tmp_path, engine)]
    assert sorted(hows) == [How.NEW, How.REFUSED, How.REFUSED, How.REFUSED]


def test_several_devices_of_one_codec(tmp_path: Path, engine: Engine) -> None:
    folder = tmp_path / "vendor" / "khaen"
    folder.mkdir(parents=True)
    shutil.copy(CODECS / "khaen_pendant.js", folder / "pendant.js")
    example = {"input": PRESS["input"], "output": PRESS["expected"]}
    decoder = {"fileName": "pendant.js", "examples": [example]}
    for name in ("one-codec.yaml", "two-codec.yaml"):
        (folder / name).write_text(json.dumps({"uplinkDecoder": decoder}))
    (only,) = take(read(cases.find(tmp_path), engine), tmp_path, engine)
    assert (only.name, only.how, only.cases, only.failed) == ("khaen_pendant", How.NEW, 2, 0)


def test_names() -> None:
    assert name_of("Milesight-IoT/EM300 TH") == "milesight_iot_em300_th"
    assert len(name_of("x" * 100)) == 64
