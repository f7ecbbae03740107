"""Whose outbox a file is: what one gateway heard goes by its own topics only.

The first gateway's file is at the path that is set, and those of others beside it, named by their
EUI. Where the settings give a path to another gateway, its file goes to the name that belongs to
it, and is taken from there when that gateway has a turn again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from itertools import chain, count
from pathlib import Path
from typing import Final, NamedTuple

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge.outbox import schema
from khaen import log
from khaen.ids import GatewayEui, parse_gateway_eui

_log = log.logger()
FACT: Final = "gateway"
"""The fact of a file that names its gateway."""


class Left(NamedTuple):
    """A file that no gateway of the settings has, and how many records wait in it."""

    path: Path
    gateway: GatewayEui
    backlog: int


def put_right(path: Path, gateway: GatewayEui) -> None:
    """Have at `path` the gateway's own file, or none. Raises sqlite3.Error."""
    stem = path.stem.removesuffix(f"-{gateway}")
    own = path.with_name(f"{stem}-{gateway}{path.suffix}")
    try:
        if path.exists() and (owner := _read_owner(path)) not in (None, gateway):
            aside = _find_free(path.with_name(f"{stem}-{owner}{path.suffix}"))
            _move(path, aside)
            _log.error("outbox_of_another_gateway", gateway=owner, moved_to=str(aside))
        if own.exists() and not path.exists() and _read_owner(own) == gateway:
            _move(own, path)
            _log.info("outbox_taken_up_again", gateway=gateway, moved_from=str(own))
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error


def find_left(path: Path, used: Collection[Path]) -> list[Left]:
    """Files beside `path` that are named as a gateway's, are not `used`, and hold what waits."""
    left, files = [], list[Path]()
    with suppress(OSError):
        files += sorted(path.parent.iterdir())
    for file in files:
        named = file.name.startswith(f"{path.stem}-") and file.suffix == path.suffix
        if named and file not in used:
            with suppress(sqlite3.Error), closing(schema.connect(file, read_only=True)) as db:
                waiting = "SELECT count(*) FROM record WHERE settled_at IS NULL"
                backlog, owner = db.execute(waiting).fetchone()[0], _find_owner(db)
                if backlog and owner:
                    left.append(Left(file, owner, backlog))
    return left


def _read_owner(path: Path) -> GatewayEui | None:
    with closing(schema.connect(path, read_only=True)) as db:
        return _find_owner(db)


def _find_owner(db: sqlite3.Connection) -> GatewayEui | None:
    """Whom the file names, else who heard its last record."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'record'").fetchone():
        return None
    kept = db.execute("SELECT value FROM fact WHERE key = ?", (FACT,)).fetchone()
    last = db.execute("SELECT frame FROM record ORDER BY id DESC LIMIT 1").fetchone()
    with suppress(DecodeError, ValueError):
        if kept:
            return parse_gateway_eui(kept[0])
        if last:
            return parse_gateway_eui(gw.UplinkFrame.FromString(last[0]).rx_info.gateway_id)
    return None


def _find_free(path: Path) -> Path:
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in chain((path,), others) if not name.exists())


def _move(path: Path, to: Path) -> None:
    """Rename a file, what SQLite keeps beside it, and the damaged ones that it had.

    Nothing is in its log any more when it goes, and logs of damaged ones go before their files: a
    crash between two names loses nothing, and the rest is moved at the next start.
    """
    damaged, to_damaged = (f"{file.name}.damaged-" for file in (path, to))
    with closing(schema.connect(path, read_only=False)) as db:
        # It says of each by name how far it was read.
        db.execute("UPDATE fact SET key = replace(key, ?, ?)", (damaged, to_damaged))
        if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise sqlite3.OperationalError(f"{path} is read by another program")
    parts = (
        part for part in path.parent.iterdir() if part.name.startswith((f"{path.name}-", damaged))
    )
    for part in (*sorted(parts, reverse=True), path):
        part.rename(to.with_name(to.name + part.name.removeprefix(path.name)))
