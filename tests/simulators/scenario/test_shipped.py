"""Every scenario that ships comes true, inside one process."""

from pathlib import Path

import pytest

from simulators.scenario.inside import run
from simulators.scenario.loader import load, shipped

FILES = shipped()


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_what_is_expected_is_seen(file: Path, memory_path: Path) -> None:
    loaded = load(file)
    assert loaded.scenario.name == file.stem
    lines = run(loaded, memory_path)
    assert len(lines) == len(loaded.scenario.expect)
    assert [f"{line.expectation.words()}: {line.seen}" for line in lines if not line.met] == []


def test_the_promises_are_all_there() -> None:
    assert {file.stem for file in FILES} >= {
        "broker-loss",
        "clock-wrong-by-a-year",
        "fall-cancelled",
        "fall-still",
        "gateway-72-hours",
        "pi-without-clock",
        "sos-gateway-outage",
        "sos-heard-by-many",
        "sos-replayed",
    }


def test_the_example_of_the_page_comes_true(tmp_path: Path, memory_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("```yaml\n")
    file = tmp_path / "example.yaml"
    file.write_text(rest.partition("```")[0], encoding="utf-8")
    lines = run(load(file), memory_path)
    assert [f"{line.expectation.words()}: {line.seen}" for line in lines if not line.met] == []
