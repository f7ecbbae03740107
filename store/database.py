"""The ledger's database: transactions, writers' turns, the journal's positions, waiting.

SQLite in WAL mode with `synchronous=FULL`. Writers of several processes take turns: lock(turn),
lock(write), release turn, transaction, release write; without the turn a click waits for seconds
behind a busy ingest. Every failure of the store itself is StoreUnavailable.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

from khaen.clock import Clock, SystemClock, to_micros
from khaen.errors import SettingsError, StoreUnavailable
from store.journal import Entry, append

_POLL_SECONDS = 0.005
_LOOK_SECONDS = 1.0
_BUSY_MS = 10_000
# Primary result codes (https://www.sqlite.org/rescode.html) that say: not now, or not here.
_AWAY = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class Transaction:
    """One write transaction; what it puts in the journal gets its positions at the very end."""

    def __init__(self, connection: Connection, now: int) -> None:
        self.connection = connection
        self.now = now
        """Microseconds since 1970, one time for the whole transaction."""
        self.entries: list[Entry] = []

    def journal(self, kind: str, ref: str) -> None:
        """Tell the followers that `ref` changed."""
        self.entries.append(Entry(kind=kind, ref=ref))

    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a compiled statement (see `compiled`) at driver level, once per row."""
        if rows:
            self._driver.executemany(sql, rows)

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement in the driver's own SQL."""
        found: list[tuple[Any, ...]] = self._driver.execute(sql, parameters).fetchall()
        return found

    @property
    def _driver(self) -> Any:
        return self.connection.connection.driver_connection


class Database:
    """A ledger, opened. One instance per process; safe to use from several threads."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise SettingsError(
                f"ledger.url: {parsed.render_as_string()}: only sqlite:///FILE is supported"
            )
        self.path = Path(parsed.database)
        self._clock = clock or SystemClock()
        self.engine = _engine(parsed.render_as_string(hide_password=False))
        self._locks = threading.local()
        self._watch = threading.local()

    def close(self) -> None:
        """Close pooled connections."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the ledger. Raises StoreUnavailable."""
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that commits at the end, or rolls back whole. Raises StoreUnavailable.

        Must not last longer than 50 ms: everybody else waits.
        """
        with (
            _translated(),
            self._turn(),
            self.engine.connect() as connection,
            connection.execution_options(khaen_write=True).begin(),
        ):
            transaction = Transaction(connection, to_micros(self._clock.now()))
            yield transaction
            append(connection, transaction.entries, transaction.now)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        write = self._take_turn()
        try:
            yield
        finally:
            fcntl.flock(write, fcntl.LOCK_UN)

    def _take_turn(self) -> int:
        """Wait for this thread's turn to write; the descriptor to unlock afterwards."""
        try:
            held: _LockFiles | None = getattr(self._locks, "held", None)
            if held is None:
                held = self._locks.held = _LockFiles(self.path)
            fcntl.flock(held.turn, fcntl.LOCK_EX)
            try:
                fcntl.flock(held.write, fcntl.LOCK_EX)
            finally:
                fcntl.flock(held.turn, fcntl.LOCK_UN)
        except OSError as error:
            raise StoreUnavailable(f"{error.strerror}: {self.path}") from error
        return held.write

    def wait(self, position: int, timeout: float) -> bool:
        """Wait until the journal has a row after `position`; False after `timeout` seconds.

        Polls `PRAGMA data_version`, which changes with every commit of another connection.
        """
        watch: _Watch | None = getattr(self._watch, "held", None)
        if watch is None:
            watch = self._watch.held = _Watch(self.path)
        return watch.wait(position, timeout)


class _LockFiles:
    """A thread's own descriptors: locks belong to an open file, not to a thread."""

    def __init__(self, path: Path) -> None:
        self.turn = self.write = -1
        self.turn = os.open(f"{path}.turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.write = os.open(f"{path}.write", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        for descriptor in (self.turn, self.write):
            if descriptor >= 0:
                os.close(descriptor)


class _Watch:
    """A thread's own bare connection that looks for commits of others."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    def __del__(self) -> None:
        self._db.close()

    def wait(self, position: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        seen: int | None = None
        look_at = 0.0
        with _translated():
            while True:
                version = self._db.execute("PRAGMA data_version").fetchone()[0]
                now = time.monotonic()
                if version != seen or now >= look_at:
                    seen, look_at = version, now + _LOOK_SECONDS
                    (head,) = self._db.execute("SELECT next FROM journal_head").fetchone()
                    if head > position + 1:
                        return True
                if now >= deadline:
                    return False
                time.sleep(min(_POLL_SECONDS, max(0.0, deadline - now)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if is_away(error):
            raise StoreUnavailable(str(error.orig)) from error
        raise
    except sqlite3.Error as error:
        if is_away(error):
            raise StoreUnavailable(str(error)) from error
        raise


def is_away(error: BaseException | None) -> bool:
    """Whether the store itself failed, and not what was asked of it."""
    if isinstance(error, StoreUnavailable):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_away(error.orig)
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return (code & 0xFF) in _AWAY


def _engine(url: str) -> Engine:
    # Rows hold names and keys: an error's text must not.
    engine = create_engine(url, pool_size=8, max_overflow=8, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
        ):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("khaen_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def compiled(engine: Engine, statement: ClauseElement) -> str:
    """A Core statement as the driver's own SQL text, to be run by `Transaction.many`."""
    return str(statement.compile(engine, compile_kwargs={"render_postcompile": True}))


def new_ledger_id() -> str:
    """A ledger's id, made with the database and anew after every restore."""
    return str(uuid.uuid4())
