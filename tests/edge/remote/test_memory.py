"""What is remembered of configurations outlives whatever happens to the file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.remote.memory import Decision, Memory, digest, load, save
from khaen.configuration import Configuration, Outcome
from khaen.errors import NotRunnable

AT = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


def decide(id_: str, outcome: Outcome = Outcome.KEPT) -> Decision:
    return Decision(id=id_, digest="0" * 16, at=AT, outcome=outcome)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    wanted = Configuration(id="a", settings={"mqtt": {"port": 1}, "forward": {"live_s": 1.5}})
    memory = Memory().decide(decide("a"), kept=wanted).begin(Configuration(id="b", settings={}))
    save(tmp_path / "remote.json", memory)
    assert load(tmp_path / "remote.json") == memory
    assert load(tmp_path / "nothing.json") == Memory()


@given(st.binary(max_size=100))
def test_a_damaged_one_is_moved_aside(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("memory") / "remote.json"
    file.write_bytes(content)
    assert load(file) == Memory()
    assert not file.exists()
    assert file.with_name("remote.json.damaged").read_bytes() == content


def test_the_oldest_decisions_are_forgotten_and_the_newest_word_counts() -> None:
    memory = Memory()
    for number in range(100):
        memory = memory.decide(decide(f"{number}"), kept=None)
    assert len(memory.decided) == 64
    assert memory.find("35") is None
    assert memory.find("36") is not None
    again = memory.decide(decide("50", Outcome.REFUSED), kept=None).find("50")
    assert again is not None
    assert again.outcome is Outcome.REFUSED


def test_the_same_id_with_other_settings_is_another_document() -> None:
    one, two = Configuration(id="a", settings={}), Configuration(id="a", settings={"x": 1})
    assert digest(one) != digest(two)


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunnable, match="cannot be written"):
        save(tmp_path / "nowhere" / "remote.json", Memory())
