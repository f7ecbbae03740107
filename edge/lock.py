"""One agent at a time for each outbox."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from khaen import log
from khaen.errors import NotRunnable

_log = log.logger()


def is_held(outbox: Path) -> bool:
    """Whether an agent runs on an outbox: the lock is there once one ever did."""
    try:
        with outbox.with_name(outbox.name + ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
