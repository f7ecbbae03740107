"""What devices keep between two runs of a simulation."""

from pathlib import Path

import pytest

from commands.remembered import recall, remembering
from khaen.errors import SettingsError
from khaen.ids import DevEui
from simulators.mac import Memory

OURS, OTHER = DevEui("024b4b0100000001"), DevEui("024b4b0100000002")


async def test_others_in_the_file_are_kept_and_the_end_is_written(tmp_path: Path) -> None:
    path, now = tmp_path / "memory.json", Memory(dev_nonce=1)
    async with remembering(path, lambda: {OTHER: Memory(f_cnt=7)}):
        pass
    async with remembering(path, lambda: {OURS: now}):
        assert recall(path)[OURS] == now
        now.dev_nonce = 2
    assert recall(path) == {OURS: Memory(dev_nonce=2), OTHER: Memory(f_cnt=7)}


async def test_a_file_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "memory.json"
    with pytest.raises(SettingsError, match=f"--memory {path}: cannot be written"):
        async with remembering(path, dict):
            pytest.fail("it ran")


def test_without_a_file_nothing_is_remembered() -> None:
    assert recall(None) == {}
