"""A private file is written whole or not at all."""

import stat
from pathlib import Path

import pytest

from khaen.errors import NotRunnable
from khaen.files import write_private


def test_it_takes_the_place_of_the_old_one_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_where_it_cannot_be_written_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(NotRunnable, match="taken: cannot be written: Is a directory"):
        write_private(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    with pytest.raises(NotRunnable, match="cannot be written: No such file"):
        write_private(tmp_path / "nowhere" / "file", b"new")
