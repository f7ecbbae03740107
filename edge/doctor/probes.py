"""Looking at this machine from outside the agent. Nothing here changes anything."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge import tail
from edge.doctor.facts import OutboxFacts
from edge.outbox import account, schema
from edge.outbox.owner import Left, find_left
from edge.outbox.shelf import Shelf
from edge.settings import EdgeSettings
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.mqtt import Client, Handlers, MqttSettings, Session

_LATELY: Final = 200
"""Frames whose frequencies are looked at."""
_USER: Final = "khaen-edge"
_ATTEMPTS: Final = 2
"""The version of MQTT may be found by the second only."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def look_at_outbox(settings: EdgeSettings) -> OutboxFacts:
    """The outbox of one gateway, its file and its disk."""
    path, gateway = settings.outbox.path, settings.gateway_eui
    folder = next(part for part in path.absolute().parents if part.is_dir())
    facts = OutboxFacts(
        gateway=gateway,
        path=path,
        read_only=bool(os.statvfs(folder).f_flag & os.ST_RDONLY),
        spare=shutil.disk_usage(folder).free - (settings.outbox.keep_free_mb << 20),
        errors=_count_errors(folder),
        owner=_find_stranger(path),
    )
    try:
        with closing(Shelf(path, read_only=True)) as shelf:
            schema.check(shelf.db)
            backlog = account.count(shelf).backlog
        span = tail.count_span(tail.read_newest(gateway, path, _LATELY))
    except (sqlite3.Error, NotRunnable) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return replace(facts, problem=str(error), damaged=code in _DAMAGED)
    return replace(facts, backlog=backlog, frequencies=span)


def _find_stranger(path: Path) -> str:
    """The owner of a file, where there is the service's user and it is another."""
    with suppress(KeyError, OSError):
        if path.stat().st_uid != pwd.getpwnam(_USER).pw_uid:
            return path.owner()
    return ""


def look_for_left(settings: EdgeSettings) -> tuple[Left, ...]:
    """Outboxes beside those of the settings that belong to no gateway of theirs."""
    return tuple(find_left(settings.outbox.path, [own.outbox.path for own in settings.of_each()]))


def _count_errors(folder: Path) -> int | None:
    """What the kernel counted since the file system was made (Documentation/ABI, sysfs-fs-ext4)."""
    device = folder.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    try:
        return int(Path(f"/sys/fs/ext4/{block.name}/errors_count").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def reach(settings: MqttSettings, gateway: GatewayEui, patience_s: float) -> str:
    """Why the broker does not have us, empty when it does; under a name of our own, so that the
    agent's connection stays.
    """
    reasons: list[str] = []
    connected, over = threading.Event(), threading.Event()

    def take(reason: str) -> None:
        reasons.append(reason)
        if len(reasons) == _ATTEMPTS:
            over.set()

    def greet() -> None:
        connected.set()
        over.set()

    session = Session(client_id=f"khaen-edge-{gateway}-doctor")
    client = Client(settings, session, Handlers(connected=greet, disconnected=take))
    client.start()
    over.wait(patience_s)
    told = list(reasons)  # before our own farewell
    client.stop()
    if connected.is_set():
        return ""
    return told[-1] if told else f"no answer within {patience_s:g} s"


def find_udp_holder(port: int) -> str | None:
    """Who has bound a UDP port: its name, `""` where that is hidden, None for nobody."""
    inodes = {inode for table in ("udp", "udp6") for inode in _list_inodes(table, port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(handle.readlink()) in inodes:
                        return (process / "comm").read_text(encoding="utf-8").strip()
    return ""


def _list_inodes(table: str, port: int) -> list[str]:
    """`socket:[…]` of each socket at a port (proc(5), /proc/net/udp)."""
    try:
        lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port]
