"""Whose outbox a file is: what one gateway heard goes by its own topics only.

The first gateway's file is at the path that is set, and those of others beside it, named by their
EUI. Where the settings give a path to another gateway, its file goes to the name that belongs to
it, and is taken from there when that gateway has a turn again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Final, NamedTuple

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge.outbox import aside, salvage, schema
from khaen import log
from khaen.ids import GatewayEui, parse_gateway_eui

_log = log.logger()
FACT: Final = "gateway"
"""The fact of a file that names its gateway."""
_WORDS: Final = (
    f"SELECT value FROM fact WHERE key = '{FACT}'",  # noqa: S608
    "SELECT frame FROM record ORDER BY id DESC LIMIT 1",
    "SELECT frame FROM record ORDER BY id LIMIT 1",
)


class Left(NamedTuple):
    """A file that no gateway of the settings has, and how many records wait in it, and how many
    damaged files that are still to be read.
    """

    path: Path
    gateway: GatewayEui
    backlog: int
    damaged: int = 0


def put_right(path: Path, gateway: GatewayEui, now: datetime) -> None:
    """Have at `path` the gateway's own file, or none. Raises sqlite3.Error."""
    stem = path.stem.removesuffix(f"-{gateway}")
    own = path.with_name(f"{stem}-{gateway}{path.suffix}")
    try:
        if path.exists() and (owner := _read_owner(path)) not in (None, gateway):
            to = _find_free(path.with_name(f"{stem}-{owner}{path.suffix}"))
            _move(path, to)
            _log.error("outbox_of_another_gateway", gateway=owner, moved_to=str(to))
        if own.exists() and not path.exists():
            _take_up(own, path, gateway, now)
        if not own.exists():
            _gather(own, path)
        for file in aside.find(path):
            if (owner := _judge_owner(file)) not in (None, gateway):
                to = path.with_name(f"{stem}-{owner}{path.suffix}")
                aside.rename(file, file.with_name(to.name + file.name.removeprefix(path.name)))
                _log.error("outbox_of_another_gateway", gateway=owner, moved_to=str(to))
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error


def _take_up(own: Path, path: Path, gateway: GatewayEui, now: datetime) -> None:
    """Have the gateway's own file at `path` again, or beside it where it is damaged."""
    try:
        if _read_owner(own) != gateway:
            return
        _move(own, path)
    except sqlite3.DatabaseError as error:
        if not schema.tells_damage(error):
            raise
        moved_to = aside.move(own, now, path)
        _log.error("outbox_damaged", moved_to=str(moved_to))
        return
    _log.info("outbox_taken_up_again", gateway=gateway, moved_from=str(own))


def _gather(own: Path, path: Path) -> None:
    """Take damaged files back that a crash, or another gateway's turn, left without their own."""
    if path.exists():
        with closing(schema.connect(path, read_only=False)) as db:
            _rename_courses(db, own, path)
    _rename_parts(own, path, aside.MARK)


def find_left(path: Path, used: Collection[Path]) -> list[Left]:
    """Files beside `path` that are named as a gateway's, are not `used`, and hold what waits."""
    files = set[Path]()
    with suppress(OSError):
        files |= {each.with_name(each.name.split(aside.MARK)[0]) for each in path.parent.iterdir()}
    return [
        left
        for file in sorted(files - {*used})
        if file.name.startswith(f"{path.stem}-") and file.suffix == path.suffix
        if (left := _look_into(file))
    ]


def _look_into(file: Path) -> Left | None:
    backlog, owner, unread = 0, None, list[Path]()
    with suppress(OSError):
        unread = aside.find(file)
    try:
        with closing(schema.connect(file, read_only=True)) as db:
            owner = _find_owner(db)
            unread = [each for each in unread if not salvage.is_done(db, each)]
            waiting = "SELECT count(*) FROM record WHERE settled_at IS NULL"
            backlog = db.execute(waiting).fetchone()[0]
    except sqlite3.DatabaseError as error:
        if schema.tells_damage(error):
            unread.append(file)
    owners = (owner, *(_judge_owner(each) for each in unread))
    owner = next((each for each in owners if each), None)
    return Left(file, owner, backlog, len(unread)) if owner and (backlog or unread) else None


def _read_owner(path: Path) -> GatewayEui | None:
    with closing(schema.connect(path, read_only=True)) as db:
        return _find_owner(db)


def _judge_owner(file: Path) -> GatewayEui | None:
    """Whose a damaged file is, as far as can be read."""
    with suppress(sqlite3.Error), closing(schema.connect(file, read_only=True)) as db:
        return _find_owner(db, sqlite3.DatabaseError)
    return None


def _find_owner(db: sqlite3.Connection, *passed: type[Exception]) -> GatewayEui | None:
    """Whom the file names, else who heard its last record, else its first."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'record'").fetchone():
        return None
    for query in _WORDS:
        with suppress(DecodeError, ValueError, TypeError, *passed):
            if row := db.execute(query).fetchone():
                word = row[0]
                if isinstance(word, bytes):
                    word = gw.UplinkFrame.FromString(word).rx_info.gateway_id
                return parse_gateway_eui(word)
    return None


def _find_free(path: Path) -> Path:
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in chain((path,), others) if not name.exists())


def _move(path: Path, to: Path) -> None:
    """Rename a file, what SQLite keeps beside it, and the damaged ones that it had.

    Nothing is in its log any more when it goes, and logs of damaged ones go before their files: a
    crash between two names loses nothing, and the rest is moved at the next start.
    """
    with closing(schema.connect(path, read_only=False)) as db:
        _rename_courses(db, path, to)
        if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise sqlite3.OperationalError(f"{path} is read by another program")
    _rename_parts(path, to, "-", aside.MARK)
    path.rename(to)


def _rename_parts(path: Path, to: Path, *marks: str) -> None:
    """Rename what lies beside a file, logs before what they belong to."""
    names = tuple(path.name + mark for mark in marks)
    parts = [part for part in path.parent.iterdir() if part.name.startswith(names)]
    for part in sorted(parts, reverse=True):
        part.rename(to.with_name(to.name + part.name.removeprefix(path.name)))


def _rename_courses(db: sqlite3.Connection, path: Path, to: Path) -> None:
    """The file says of each damaged one by name how far it was read."""
    damaged, to_damaged = f"{path.name}{aside.MARK}", f"{to.name}{aside.MARK}"
    db.execute(
        "UPDATE OR REPLACE fact SET key = replace(key, ?1, ?2) WHERE instr(key, ?1)",
        (damaged, to_damaged),
    )
