"""What is set aside stays within its bounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.sweep import Sweep
from khaen.clock import ManualClock
from khaen.ids import DevAddr
from store import migrate, quarantine
from store.database import Database
from store.quarantine import Foreign, Refused, Shelf
from tests.support.traffic import GATEWAYS, START

DAY_S = 86_400.0


class Ledger:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=self.clock)
        migrate.upgrade(self.database)

    def refuse(self, *contents: bytes) -> None:
        with self.database.write() as tx:
            shelf = Shelf(tx)
            for content in contents:
                shelf.refuse(Refused(reason="not_json", detail="", topic="t", content=content))
            shelf.flush()

    def hear(self, count: int, size: int = 100) -> None:
        with self.database.write() as tx:
            shelf = Shelf(tx)
            for _ in range(count):
                shelf.put_foreign(
                    Foreign(
                        gateway=GATEWAYS[0],
                        dev_addr=DevAddr("01020304"),
                        content=bytes(size),
                        received_at=0,
                    )
                )
            shelf.flush()

    def count(self, sql: str) -> int:
        with self.database.read() as connection:
            return int(connection.exec_driver_sql(sql).scalar_one())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path)
    yield found
    found.database.close()


def test_what_is_long_is_cut_and_says_so(ledger: Ledger) -> None:
    ledger.refuse(b"x" * (3 << 20))
    assert ledger.count("SELECT length(content) FROM quarantine") == quarantine.MAX_CONTENT
    assert ledger.count("SELECT count(*) FROM quarantine WHERE detail LIKE 'cut from 3145728%'")


def test_after_90_days_it_goes_unless_it_still_comes(ledger: Ledger) -> None:
    ledger.refuse(b"once", b"again")
    ledger.clock.advance(80 * DAY_S)
    ledger.refuse(b"again")
    ledger.clock.advance(11 * DAY_S)
    Sweep(ledger.database).step()
    assert ledger.count("SELECT copies FROM quarantine") == 2


def test_the_oldest_go_when_it_is_too_much(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "QUARANTINE_BYTES", 1000)
    ledger.refuse(*(b"%03d" % i + bytes(97) for i in range(15)))
    Sweep(ledger.database).step()
    with ledger.database.read() as connection:
        assert quarantine.kept_bytes(connection) == 1000
    assert ledger.count("SELECT min(seq) FROM quarantine") == 6


def test_a_ring_is_7_days_and_so_many_bytes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "RING_BYTES", 5000)
    monkeypatch.setattr(quarantine, "STEP", 7)
    ledger.hear(80)
    Sweep(ledger.database).step()
    assert ledger.count("SELECT count(*) FROM foreign_frame") == 50
    assert ledger.count("SELECT frames FROM foreign_count") == 80
    assert ledger.count("SELECT bytes FROM foreign_count") == 5000
    ledger.clock.advance(8 * DAY_S)
    ledger.hear(1)
    Sweep(ledger.database).step()
    assert ledger.count("SELECT count(*) FROM foreign_frame") == 1
    assert ledger.count("SELECT bytes FROM foreign_count") == 100
