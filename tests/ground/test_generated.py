"""Stale generated files are found, whether one file or a folder, and mended by writing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = """
import pathlib, sys
into = pathlib.Path(sys.argv[1])
if into.name == "folder":
    into.mkdir(exist_ok=True)
    into = into / "inside.txt"
into.write_text("fresh")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "generated.py"
    script.write_text((ROOT / "scripts" / "generated.py").read_text())
    (tmp_path / "make.py").write_text(GENERATOR)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.khaen.generated]\n"docs/file.txt" = ["make.py"]\n"docs/folder" = ["make.py"]\n'
    )
    return tmp_path


def run(project: Path, verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "scripts" / "generated.py"), verb],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_written_is_fresh(project: Path) -> None:
    assert run(project, "write").returncode == 0
    assert (project / "docs" / "folder" / "inside.txt").read_text() == "fresh"
    assert run(project, "check").returncode == 0


def test_what_is_missing_is_stale(project: Path) -> None:
    done = run(project, "check")
    assert done.returncode == 1
    assert [line.split()[1] for line in done.stderr.splitlines()] == [
        "docs/file.txt",
        "docs/folder",
    ]


@pytest.mark.parametrize("path", ["docs/file.txt", "docs/folder/inside.txt"])
def test_what_was_edited_is_stale(project: Path, path: str) -> None:
    run(project, "write")
    (project / path).write_text("edited")
    assert run(project, "check").returncode == 1


def test_a_file_too_many_in_a_folder_is_stale(project: Path) -> None:
    run(project, "write")
    (project / "docs" / "folder" / "more.txt").write_text("")
    assert run(project, "check").returncode == 1


def test_a_generator_that_fails_is_no_silence(project: Path) -> None:
    (project / "make.py").write_text("raise SystemExit('broken')")
    done = run(project, "check")
    assert done.returncode != 0
    assert "broken" in done.stderr
