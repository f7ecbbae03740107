"""What this machine must offer before a site can run on it, and the words when it does not."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import IO

from khaen.errors import NotRunnable


def check_space(folder: Path, least_bytes: int) -> None:
    """Raise NotRunnable where the folder's disk has less than `least_bytes` free."""
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        raise NotRunnable(
            f"{folder}: {free // 2**20} MB of disk are free, {least_bytes // 2**20} MB are needed; "
            "free some, or name a folder on another disk: --data FOLDER"
        )


def lock(folder: Path) -> IO[str]:
    """Be the only one in the folder until the file is closed. Raises NotRunnable."""
    path = folder / "lock"
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise NotRunnable(f"{path}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise NotRunnable(
            f"{folder}: in use by another khaen{f' (process {holder})' if holder else ''}; "
            "stop it, or name another folder: --data FOLDER"
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def is_free(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Whether nobody listens there. Raises NotRunnable where one cannot listen at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise NotRunnable(
                f"{host}:{port}: not allowed to listen there; choose a port above 1023"
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise NotRunnable(f"{host}:{port}: cannot listen there: {error.strerror}") from error
    return True
