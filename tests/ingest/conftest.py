"""An ingest in this process, on a real SQLite file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_process import InProcess


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[InProcess]:
    """A ledger with a small site, and the pipeline before it."""
    found = InProcess(tmp_path)
    yield found
    found.close()
