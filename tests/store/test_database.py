"""Transactions, turns, the journal, and what counts as the store's own failure."""

import multiprocessing
import sqlite3
import statistics
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from khaen.errors import StoreUnavailable
from store import journal, migrate
from store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    migrate.upgrade(found)
    yield found
    found.close()


def test_an_error_tells_no_values(database: Database) -> None:
    statement = text("INSERT INTO person_detail (person, name) VALUES (:person, :name)")
    values = {"person": "R-1", "name": "บุญมี"}

    def insert_twice() -> None:
        with database.write() as tx:
            tx.connection.execute(statement, values)
            tx.connection.execute(statement, values)

    with pytest.raises(IntegrityError) as caught:
        insert_twice()
    assert "บุญมี" not in str(caught.value)


def test_a_transaction_is_whole_or_not(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as tx:
            tx.journal("admitted", "a")
            tx.connection.exec_driver_sql("INSERT INTO fact VALUES ('k', 'v')")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    with database.read() as connection:
        assert journal.head(connection) == 0
        assert connection.exec_driver_sql("SELECT * FROM fact WHERE key = 'k'").all() == []


def test_only_the_store_makes_the_store_unavailable(database: Database) -> None:
    def fail(sql: str) -> None:
        with database.write() as tx:
            tx.connection.exec_driver_sql(sql)

    def fail_ourselves() -> None:
        with database.write():
            raise OSError("ours")

    with pytest.raises(OSError, match="ours"):
        fail_ourselves()
    with pytest.raises(IntegrityError):
        fail("INSERT INTO fact VALUES ('ledger', 'x')")
    with pytest.raises(OperationalError):
        fail("SELECT nothing FROM nowhere")


def test_a_locked_ledger_is_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._BUSY_MS", 50)
    impatient = Database(f"sqlite:///{database.path}")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def write() -> None:
        with impatient.write() as tx:
            tx.journal("admitted", "x")

    with pytest.raises(StoreUnavailable):
        write()
    other.execute("ROLLBACK")
    other.close()
    write()
    impatient.close()


def test_positions_have_no_holes_and_waiters_wake(database: Database) -> None:
    assert not database.wait(0, 0.0)
    for i in range(3):
        with database.write() as tx:
            tx.journal("admitted", str(i))
            tx.journal("merged", str(i))
    assert database.wait(0, 1.0)
    with database.read() as connection:
        entries = journal.read(connection, 0)
        assert journal.read(connection, 4) == entries[4:]
    assert [entry.position for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert [entry.ref for entry in entries] == ["0", "0", "1", "1", "2", "2"]


def _write_busily(path: str, done: Event, rows: int) -> None:
    database = Database(f"sqlite:///{path}")
    while not done.is_set():
        with database.write() as tx:
            for i in range(rows):
                tx.journal("admitted", f"{i}")
    database.close()


def _click(path: str, clicks: int, waits: "multiprocessing.Queue[list[float]]") -> None:
    database, found = Database(f"sqlite:///{path}"), []
    for _ in range(clicks):
        started = time.monotonic()
        with database.write() as tx:
            tx.journal("alarm", "click")
        found.append(time.monotonic() - started)
    database.close()
    waits.put(found)


def test_four_processes_write_and_a_click_takes_its_turn(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    context = multiprocessing.get_context("spawn")
    waits: multiprocessing.Queue[list[float]] = context.Queue()
    done = context.Event()
    path = str(database.path)
    writers = [context.Process(target=_write_busily, args=(path, done, 300)) for _ in range(2)]
    writers += [context.Process(target=_click, args=(path, 40, waits)) for _ in range(2)]
    for writer in writers:
        writer.start()
    clicks = sorted(waits.get(timeout=60) + waits.get(timeout=60))
    done.set()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
        writer.close()
    waits.close()
    waits.join_thread()
    with capsys.disabled():
        print(
            f"\n{len(clicks)} clicks beside two busy writers: median"
            f" {statistics.median(clicks) * 1000:.1f} ms, longest {clicks[-1] * 1000:.1f} ms"
        )
    with database.read() as connection:
        head = journal.head(connection)
        count = connection.exec_driver_sql("SELECT count(*) FROM journal").scalar_one()
    assert count == head, "a position was skipped or given twice"
    assert len(clicks) == 80
