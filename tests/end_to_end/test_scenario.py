"""A scenario with real processes and sockets comes out as it does inside one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.end_to_end
def test_a_fall_with_stillness_is_answered_for_real(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "commands.main", "scenario", "run", "fall-still"]
    done = subprocess.run(
        [*command, "--real", "--json", str(tmp_path / "outcome.json")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["way"], outcome["met"]) == ("real", True)
