"""Damaged files beside the outbox: put there, found again, and deleted when they are many."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

KEPT: Final = 2
"""Damaged files that stay, for whoever wants to know what happened."""
_PARTS: Final = ("-wal", "-shm", "")
"""The log moves first: a file without its log would be taken for whole."""
MARK: Final = ".damaged-"
"""Between the name of a file and the time at which it was found damaged."""


def move(path: Path, at: datetime, whose: Path | None = None) -> Path:
    """Rename the file and what SQLite keeps beside it, as a damaged one of `whose`, or of its own
    name; return its new name. Raises OSError.
    """
    name = f"{(whose or path).name}{MARK}{at.strftime('%Y%m%dT%H%M%S%fZ')}"
    while (aside := path.with_name(name)).exists():  # a clock that is not set says a time twice
        name += "+"
    rename(path, aside)
    return aside


def rename(path: Path, aside: Path) -> None:
    """Rename a file and what SQLite keeps beside it. Raises OSError."""
    for suffix in _PARTS:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
            _keep_names(path.parent)


def _keep_names(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def finish_move(path: Path) -> None:
    """Move the rest of what a crash kept from moving: a log that lies aside without its file.

    Raises sqlite3.OperationalError where the disk refuses.
    """
    try:
        for log in path.parent.glob(f"{path.name}{MARK}*-wal"):
            aside = log.with_name(log.name.removesuffix("-wal"))
            if path.exists() and not aside.exists():
                rename(path, aside)
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error


def find(path: Path) -> list[Path]:
    """The damaged files beside `path`, oldest first. Raises OSError."""
    files = (
        file
        for file in path.parent.glob(f"{path.name}{MARK}*")
        if not file.name.endswith(("-wal", "-shm"))
    )
    # By when they were written: where the clock was not set, a name lies.
    return sorted(files, key=lambda file: file.stat().st_mtime_ns)


def measure(file: Path) -> int:
    """Bytes of a damaged file and of what lies beside it. Raises OSError."""
    parts = (file.with_name(file.name + suffix) for suffix in _PARTS)
    return sum(part.stat().st_size for part in parts if part.exists())


def clear(files: Iterable[Path]) -> list[Path]:
    """Delete all but the newest KEPT of some damaged files; return which. Raises OSError."""
    old = list(files)[:-KEPT]
    for file in old:
        for suffix in _PARTS:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    return old
