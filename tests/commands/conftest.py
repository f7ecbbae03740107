"""The command line as people run it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "site" / "site.yaml"
Done = subprocess.CompletedProcess[str]
Khaen = Callable[..., Done]


@pytest.fixture
def khaen(tmp_path: Path) -> Khaen:
    """Runs `khaen` with arguments in a scratch folder, and gives what it said."""

    def run(*arguments: str | Path) -> Done:
        return subprocess.run(
            [sys.executable, "-P", "-m", "commands.main", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        )

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a ledger in the scratch folder."""
    file = tmp_path / "khaen.toml"
    file.write_text(
        f'[ledger]\nurl = "sqlite:///{tmp_path}/ledger.sqlite"\n'
        f'key_file = "{tmp_path}/ledger.key"\n'
    )
    return file
