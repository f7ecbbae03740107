"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from khaen.errors import NotRunnable


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter. Raises NotRunnable."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotRunnable(
            f"{path}: cannot make the folder: {error.strerror}; name another: --data FOLDER"
        ) from error


def write_private(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file, mode 0600. Raises NotRunnable."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise NotRunnable(f"{path}: cannot be written: {error.strerror}") from error


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
