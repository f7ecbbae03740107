"""What every program's log leaves out."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
from khaen import log
from store import migrate
from store.database import Database
log.configure(program="x")
database = Database(f"sqlite:///{sys.argv[1]}")
migrate.upgrade(database)
log.logger().info("ledger_opened")
"""


def test_a_look_at_the_ledgers_shape_is_no_news(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(tmp_path / "ledger.sqlite")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    (line,) = done.stderr.splitlines()
    assert "event=ledger_opened" in line
