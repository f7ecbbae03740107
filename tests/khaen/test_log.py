"""What every program's log leaves out."""

import re
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


_LEVELS = """
from khaen import log
log.configure(level="WARNING", program="x")
logger = log.logger()
logger.info("kept_quiet")
for level in ("DEBUG", "INFO", "ERROR"):
    log.set_level(level)
    logger.debug("whispered", under=level)
    logger.info("said", under=level)
    logger.error("shouted", under=level)
"""


def test_the_level_can_change_while_a_program_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEVELS],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    said = [re.findall(r"(?:event|under)=(\w+)", line) for line in done.stderr.splitlines()]
    assert said == [
        ["whispered", "DEBUG"],
        ["said", "DEBUG"],
        ["shouted", "DEBUG"],
        ["said", "INFO"],
        ["shouted", "INFO"],
        ["shouted", "ERROR"],
    ]
