"""The migrations make the tables that the schema describes."""

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from khaen.errors import NotRunnable
from store import migrate
from store.database import Database
from store.schema import metadata


def shape(connection: Connection) -> dict[str, str]:
    """Every table and index with its text, without white space."""
    rows = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
    )
    return {name: "".join(sql.split()) for name, sql in rows}


def test_steps_and_schema_agree(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    migrate.upgrade(database)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with database.read() as migrated, engine.connect() as described:
        assert shape(migrated) == shape(described)
    engine.dispose()
    database.close()


def test_a_ledger_keeps_its_id(tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        database = Database(f"sqlite:///{tmp_path}/new/ledger.sqlite")
        migrate.upgrade(database)
        with database.read() as connection:
            ids.append(migrate.ledger_id(connection))
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        database.close()
    assert ids[0] == ids[1]
    assert stat.S_IMODE((tmp_path / "new" / "ledger.sqlite").stat().st_mode) == 0o600


def test_programs_that_start_together_make_one_ledger(tmp_path: Path) -> None:
    found = set()

    def start() -> None:
        database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
        migrate.upgrade(database)
        with database.read() as connection:
            found.add(migrate.ledger_id(connection))
        database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = Database(f"sqlite:///{tmp_path}/file/ledger.sqlite")
    with pytest.raises(NotRunnable, match=r"ledger\.url"):
        migrate.upgrade(database)


def test_a_ledger_of_the_first_shape_takes_the_other_steps(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = Path(migrate.__file__).parent / "migrations" / "versions" / "0001_ledger.sqlite.sql"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(first.read_text("utf-8"))
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        old.execute("INSERT INTO alembic_version VALUES ('0001')")
        old.execute("INSERT INTO foreign_count VALUES ('0016c001f153a101', 3, 4)")
        old.commit()
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with database.read() as migrated, engine.connect() as described:
        assert shape(migrated) == shape(described)
        assert migrated.exec_driver_sql("SELECT frames FROM foreign_count").scalar_one() == 3
    engine.dispose()
    database.close()
