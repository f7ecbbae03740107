"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from khaen.errors import NotRunnable


def write_private(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file, mode 0600, to stay after a power cut.

    Whoever reads it meanwhile finds the old content or the new, whole. Raises NotRunnable.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # a disk that became read-only refuses even that
            scratch.unlink(missing_ok=True)
        raise NotRunnable(f"{path}: cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """The new name is on the disk only with its folder (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
