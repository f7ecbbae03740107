"""A site's families: native ones beside codecs, and what is wrong with a codec costs it alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from decoders.collection import Collection
from khaen.errors import SettingsError

CODECS = Path(__file__).parent / "javascript" / "codecs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(CODECS, tmp_path / "codecs")


def test_a_codec_stands_beside_native_families(folder: Path) -> None:
    with Collection(folder) as collection:
        assert {"khaen_pendant", "khaen_wristband"} <= set(collection.names())
        assert collection.family("khaen_pendant").deferred
        assert not collection.family("khaen_wristband").deferred
        assert collection.scripted("khaen_wristband") is None
        assert collection.engine.pid is None
        with pytest.raises(SettingsError, match="no family 'khaen_kite'"):
            collection.family("khaen_kite")


@pytest.mark.parametrize("folder", [None, Path("/nonexistent")])
def test_without_a_folder_there_are_the_native_ones(folder: Path | None) -> None:
    with Collection(folder) as collection:
        assert "khaen_wristband" in collection.names()
        assert collection.broken == {}
        assert not collection.refresh()


def test_a_folder_is_read_again_when_it_changed(folder: Path) -> None:
    with Collection(folder) as collection:
        assert not collection.refresh()
        table = folder / "khaen_pendant.toml"
        table.write_text(table.read_text().replace("version = 1", "version = 12"))
        assert collection.refresh()
        assert collection.family("khaen_pendant").version == 12
        shutil.rmtree(folder)
        assert collection.refresh()
        assert "khaen_pendant" not in collection.names()


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("khaen_pendant.toml", "maker = 1", r"khaen_pendant\.toml: maker"),
        ("khaen_pendant.toml", None, r"khaen_pendant\.toml is not beside it"),
        ("khaen_pendant.js", None, r"khaen_pendant\.js is not beside it"),
        ("khaen_pendant.js", "/" * 600_000, "600000 characters"),
    ],
)
def test_a_broken_codec_stays_as_it_was_and_harms_no_other(
    folder: Path, file: str, text: str | None, why: str
) -> None:
    with Collection(folder) as collection:
        if text is None:
            (folder / file).unlink()
        else:
            (folder / file).write_text(text)
        assert collection.refresh()
        assert [*collection.broken] == ["khaen_pendant"]
        assert collection.family("khaen_pendant").version == 1
        assert collection.family("khaen_weather_post").version == 3
    with Collection(folder) as collection, pytest.raises(SettingsError, match=why):
        collection.family("khaen_pendant")


def test_a_native_familys_name_is_taken(folder: Path) -> None:
    for suffix in (".js", ".toml"):
        shutil.copy(folder / f"khaen_pendant{suffix}", folder / f"khaen_wristband{suffix}")
    with Collection(folder) as collection:
        assert "is a native family" in collection.broken["khaen_wristband"]
        assert not collection.family("khaen_wristband").deferred
