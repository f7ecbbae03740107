"""Folders and secrets that only their owner may read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from khaen.errors import NotRunnable
from khaen.files import write_private


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter. Raises NotRunnable."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotRunnable(
            f"{path}: cannot make the folder: {error.strerror}; name another: --data FOLDER"
        ) from error


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content; what `make` gives, written first, where there is none. NotRunnable."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        content = make()
        write_private(path, content)
        return content
    except OSError as error:
        raise NotRunnable(f"{path}: cannot be read: {error.strerror}") from error
