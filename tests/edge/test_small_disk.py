"""A real file system that fills up, is full, or is read-only for a while."""

import subprocess
from pathlib import Path

import pytest

from tests.edge import small_disk

_MOUNTS = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
_MOUNTABLE = subprocess.run(_MOUNTS, capture_output=True, check=False).returncode == 0
# Where the kernel lets nobody mount (some containers), test_refusing_disk.py has to do by itself.
pytestmark = [] if _MOUNTABLE else [pytest.mark.soak]


def test_it_sheds_before_the_disk_is_full(tmp_path: Path) -> None:
    seen = small_disk.run("keep_free", tmp_path)
    assert seen["durable"], "the disk never refused"
    assert seen["shed"] > 0
    assert seen["free"] > small_disk.KEEP_FREE * 0.9


def test_a_disk_that_others_fill_is_borne_in_memory(tmp_path: Path) -> None:
    seen = small_disk.run("fill", tmp_path)
    assert (seen["before"], seen["during"], seen["after"]) == (True, False, True)
    assert seen["held_then"] == 310
    assert seen["held"] == 312, "all of it, and the word that volatile numbers end"
    assert not seen["volatile"]


def test_a_card_that_is_read_only_for_a_while(tmp_path: Path) -> None:
    seen = small_disk.run("read_only", tmp_path)
    assert (seen["during"], seen["after"], seen["volatile"]) == (False, True, False)
