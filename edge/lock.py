"""One agent at a time for each outbox."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from khaen import log
from khaen.errors import NotRunnable

_log = log.logger()


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Be the only agent of this outbox. Raises NotRunnable when there is another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        # A disk that refuses is no reason to stay deaf: the volatile epoch takes over.
        _log.warning("outbox_not_locked", path=str(path), error=error.strerror)
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotRunnable(f"{path}: another agent uses this outbox; stop it first") from error
        yield
