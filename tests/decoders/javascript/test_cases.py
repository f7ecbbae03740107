"""Vendors' cases are read from both layouts, and compared as their vendors compare them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from decoders.javascript.cases import LIMITS_FOR_CASES, UNDATED, difference, find, load
from decoders.javascript.codec import Fault, Outcome
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

SCRIPT = """function decodeUplink(input) {
  return { data: { on: input.bytes[0] === 1, at: input.recvTime, words: ["yes"], none: null } };
}"""
LITERAL = """[
  // some files are literals, not JSON
  { name: 'on', "input": { "fPort": 0x02, bytes: [0x01], recvTime: "2026-02-03T04:05:06Z" },
    "expected": { data: { on: true, at: "2026-02-03T04:05:06.000Z", words: ["yes"] } } },
];"""
YAML = """uplinkDecoder:
  fileName: codecs/switch.js
  examples:
    - description: off
      input: {fPort: 2, bytes: [0x00]}
      output:
        data: {on: false, at: 2026-01-02T15:00:00.000Z, words: [yes], none: ~}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        engine.start()
        yield engine


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in (
        ("vendors/ours/codecs/switch.js", SCRIPT),
        ("vendors/ours/codecs/test_decode_switch.json", LITERAL),
        ("vendors/ours/codecs/test_encode_switch.json", "[]"),
        ("vendor/theirs/codecs/switch.js", SCRIPT),
        ("vendor/theirs/switch-codec.yaml", YAML),
        ("vendor/theirs/switch.yaml", "name: not a codec"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_both_layouts_pass(checkout: Path, engine: Engine) -> None:
    suites = [load(path, engine) for path in find(checkout)]
    assert [suite.codec.id for suite in suites] == ["theirs/switch", "ours/switch"]
    assert [case.name for suite in suites for case in suite.cases] == ["off", "on"]
    assert suites[1].cases[0].received_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert suites[0].cases[0].received_at == UNDATED
    for suite in suites:
        (outcome,) = engine.decode_batch(suite.requests())
        assert difference(suite.cases[0].expected, outcome) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vendors/ours/codecs/test_decode_gone.json", "[]"),
        ("vendors/ours/codecs/test_decode_switch.json", "[ { name: "),
        ("vendors/ours/codecs/test_decode_switch.json", "[ { } ]"),
        ("vendors/ours/codecs/test_decode_switch.json", "(() => { for (;;); })()"),
        ("vendor/theirs/switch-codec.yaml", ""),
        ("vendor/theirs/switch-codec.yaml", "uplinkDecoder: {}"),
        ("vendor/theirs/switch-codec.yaml", "a: [1"),
        ("vendor/theirs/switch-codec.yaml", YAML.replace("0x00", "seven")),
        ("vendor/theirs/switch-codec.yaml", YAML.replace("switch.js", "gone.js")),
    ],
)
def test_what_cannot_be_read_is_named(checkout: Path, engine: Engine, name: str, text: str) -> None:
    (checkout / name).write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=Path(name).name):
        load(checkout / name, engine)


def test_a_folder_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="first folder"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("expected", "outcome", "why"),
    [
        ({"data": {"a": 1}}, Outcome(data={"a": 1.0}), None),
        ({"data": {"a": 0.1 + 0.2}}, Outcome(data={"a": 0.3}), None),
        ({"data": {"a": 1}}, Outcome(data={"a": True}), "data.a: True, expected 1"),
        ({"data": {"a": [1, 2]}}, Outcome(data={"a": [1]}), "data.a: [1], expected [1, 2]"),
        (
            {"data": {"a": [{"b": 2}]}},
            Outcome(data={"a": [{"b": 3}]}),
            "data.a[0].b: 3, expected 2",
        ),
        ({"data": {}}, Outcome(data={"a": 1}), "data.a: 1, expected None"),
        ({"data": {1: 2}}, Outcome(data={"1": 2}), None),
        ({"errors": ["x"]}, Outcome(errors=("x",)), None),
        ({"errors": ["x"]}, Outcome(data={}), "errors: []"),
        ({"data": {}}, Outcome(data={}, warnings=("w",)), "warnings: ['w']"),
        ({"errors": ["x"]}, Outcome(errors=("x",), fault=Fault.TIME), "time: x"),
    ],
)
def test_differences(expected: dict[str, object], outcome: Outcome, why: str | None) -> None:
    assert difference(expected, outcome) == why
