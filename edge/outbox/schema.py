"""The outbox's file as SQLite sees it: tables, how it is opened, how damage is looked for."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

MEMORY: Final = Path(":memory:")
LOG_SIZE: Final = 4 << 20
"""Bytes that the write-ahead log may keep: SQLite begins it anew after 1,000 pages
(https://sqlite.org/pragma.html#pragma_wal_autocheckpoint)."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY_S: Final = 5.0
_CHECK_S: Final = 2.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS boot (
    id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, offset_us INTEGER);
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    origin TEXT NOT NULL,
    device TEXT,
    topic TEXT,
    clock TEXT,
    heard_at INTEGER,
    boot INTEGER NOT NULL,
    boot_us INTEGER NOT NULL,
    settled_at INTEGER,
    frame BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS record_open
    ON record (epoch, seq) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS record_next
    ON record (priority, id) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS record_own
    ON record (kind, id) WHERE settled_at IS NULL AND kind IN ('heartbeat', 'gone');
CREATE INDEX IF NOT EXISTS record_settled
    ON record (settled_at) WHERE settled_at IS NOT NULL;
"""


class _Connection(sqlite3.Connection):
    """Python cannot raise what SQLite says of a damaged schema where that is no UTF-8."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError as error:
            raise name_damage("the schema is damaged") from error


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open a file, and make its tables where they are missing. Raises sqlite3.Error.

    What is committed is on disk: write-ahead log, one fsync for each commit
    (https://sqlite.org/pragma.html#pragma_synchronous). A card may ruin the whole block that it was
    writing when the power went, so no commit shares a block with the one before: `psow=0` fills the
    log up to the next block (https://sqlite.org/psow.html).
    """
    name = f"{path.absolute().as_uri()}?{'mode=ro' if read_only else 'psow=0'}"
    db = sqlite3.connect(
        ":memory:" if path == MEMORY else name,
        uri=path != MEMORY,
        isolation_level=None,
        timeout=_BUSY_S,
        check_same_thread=False,
        factory=_Connection,
    )
    db.text_factory = _read_text
    try:
        if not read_only:
            _prepare(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _read_text(data: bytes) -> str:
    """What a damaged card says is not always UTF-8: that costs a row, not the reading of others."""
    return data.decode(errors="replace")


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA journal_size_limit={LOG_SIZE}")
    db.execute("PRAGMA secure_delete=OFF")  # else what is deleted is written once more, as zeros
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute("COMMIT")


def tells_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the error says that the file is damaged, rather than that the disk refuses."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # A name of ours that is not there: the card changed a letter of the schema.
    lacks = any(words in str(error) for words in ("no such ", "has no column"))
    return code in _DAMAGED or (code == sqlite3.SQLITE_ERROR and lacks)


def check(db: sqlite3.Connection) -> None:
    """Look for damage, for a while at most. Raises sqlite3.DatabaseError with its code."""
    give_up = time.monotonic() + _CHECK_S
    db.set_progress_handler(lambda: time.monotonic() > give_up, 10_000)
    try:
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        verdict = "ok"
    finally:
        db.set_progress_handler(None, 0)
    if verdict != "ok":
        raise name_damage(verdict)


def read_one(db: sqlite3.Connection, query: str, *values: Any) -> Any:
    """The row that must be there. Raises sqlite3.DatabaseError, as of damage, where it is not."""
    row = db.execute(query, values).fetchone()
    if row is None:
        raise name_damage("a row is gone")
    return row


def name_damage(verdict: str) -> sqlite3.DatabaseError:
    """The error that SQLite would raise, for damage that it does not see itself."""
    damage = sqlite3.DatabaseError(verdict)
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damage
