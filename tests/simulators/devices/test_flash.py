from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.errors import SettingsError
from khaen.ids import DevEui
from simulators.devices.flash import read_memories, write_memories
from simulators.mac import Memory

euis = st.binary(min_size=8, max_size=8).map(lambda eui: DevEui(eui.hex()))
memories = st.builds(
    Memory,
    dev_nonce=st.integers(0, 0x1_0000),
    f_cnt=st.integers(0, 0xFFFF_FFFF),
    f_cnt_down=st.integers(0, 0xFFFF_FFFF),
)


@given(st.dictionaries(euis, memories, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, kept: dict[DevEui, Memory]
) -> None:
    path = tmp_path_factory.mktemp("flash") / "devices.json"
    write_memories(path, kept)
    assert read_memories(path) == kept
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_a_file_nothing_is_remembered(tmp_path: Path) -> None:
    assert read_memories(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"v":2,"devices":{}}', '{"v":1,"devices":{"x":{}}}', "\x00"]
)
def test_foreign_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devices.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"devices\.json") as error:
        read_memories(path)
    assert "\n" not in str(error.value)
