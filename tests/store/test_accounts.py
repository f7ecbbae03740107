"""The account of numbers: heard = committed + gone + in flight + missing."""

import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from khaen.clock import ManualClock, Rung
from khaen.ids import Epoch
from khaen.status import DiskStatus, GatewayStatus
from khaen.uplink import Kind, Number
from store import accounts, migrate
from store.account import Account, open_accounts
from store.accounts import AccountCache, AccountRow, Accounts, Numbered
from store.database import Database
from tests.support.traffic import EPOCH, GATEWAYS, START

GATEWAY = GATEWAYS[0]


class Ledger:
    """A ledger and the cache that ingest keeps beside it."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=self.clock)
        migrate.upgrade(self.database)
        self.cache = AccountCache()

    def take(self, *seqs: int, content: bytes = b"", backlog: bool = False) -> list[Numbered]:
        with self.database.write() as tx:
            found = Accounts(tx, self.cache)
            numbers = [Number(epoch=EPOCH, seq=seq) for seq in seqs]
            found.prefetch((GATEWAY, number) for number in numbers)
            digest = sha256(content).digest()
            taken = [
                found.take(GATEWAY, number, Kind.LORAWAN, digest, backlog=backlog)
                for number in numbers
            ]
            found.flush()
        found.committed()
        return taken

    def lose(self, *ranges: tuple[int, int]) -> None:
        with self.database.write() as tx:
            found = Accounts(tx, self.cache)
            found.declare_gone(GATEWAY, EPOCH, ranges, "shed")
            found.flush()
        found.committed()

    def say(self, last_seq: int, *waiting: tuple[int, int], age_s: float = 0.0) -> bool:
        with self.database.write() as tx:
            found = Accounts(tx, self.cache)
            taken = found.note_status(GATEWAY, status(last_seq, waiting, age_s))
            found.flush()
        found.committed()
        return taken

    def audit(self) -> AccountRow:
        with self.database.read() as connection:
            (row,) = accounts.audit(connection, START)
        return row


def status(last_seq: int, waiting: tuple[tuple[int, int], ...], age_s: float) -> GatewayStatus:
    return GatewayStatus(
        at=START - timedelta(seconds=age_s),
        version="1",
        configuration="",
        epoch=Epoch(EPOCH),
        last_seq=last_seq,
        backlog=0,
        held=0,
        waiting=waiting,
        disk=DiskStatus(free=1, used=1, quota=1),
        clock=Rung.SYNCED,
        broker="",
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path)
    yield found
    found.database.close()


def test_the_sum(ledger: Ledger) -> None:
    ledger.take(1, 2, 3, 7, 12)
    ledger.take(5, backlog=True)
    ledger.lose((8, 9))
    ledger.say(20, (4, 4), (13, 18), age_s=12)
    ledger.take(13)
    row = ledger.audit()
    assert (row.heard, row.committed, row.gone) == (20, 7, 2)
    assert (row.in_flight, row.missing, row.late, row.age_s) == (6, 5, 1, 12.0)
    assert row.heard == row.committed + row.gone + row.in_flight + row.missing


def test_a_number_again_is_known_and_another_content_a_conflict(ledger: Ledger) -> None:
    assert ledger.take(1, 2, 2) == [Numbered.NEW, Numbered.NEW, Numbered.KNOWN]
    assert ledger.take(1) == [Numbered.KNOWN]
    assert ledger.take(2, content=b"else") == [Numbered.CONFLICT]
    row = ledger.audit()
    assert (row.committed, row.conflict) == (2, True)


def test_what_was_gone_and_comes_is_committed(ledger: Ledger) -> None:
    ledger.take(1, 5)
    ledger.lose((2, 4))
    assert ledger.take(3) == [Numbered.NEW]
    assert ledger.take(3) == [Numbered.KNOWN]
    row = ledger.audit()
    assert (row.heard, row.committed, row.gone, row.missing) == (5, 3, 2, 0)


def test_an_older_status_is_not_believed(ledger: Ledger) -> None:
    assert ledger.say(10, (10, 10), age_s=5)
    assert not ledger.say(3, age_s=9)
    row = ledger.audit()
    assert (row.heard, row.in_flight, row.missing) == (10, 1, 9)


def test_an_agent_whose_clock_went_back_is_believed_when_it_heard_more(ledger: Ledger) -> None:
    assert ledger.say(10, (10, 10), age_s=5)
    assert ledger.say(11, (9, 11), age_s=3600)
    row = ledger.audit()
    assert (row.heard, row.in_flight, row.age_s) == (11, 3, 3600.0)


def test_what_is_gone_stays_gone_when_a_part_is_said_again(ledger: Ledger) -> None:
    ledger.lose((5, 100))
    ledger.lose((5, 10))
    with ledger.database.read() as connection:
        (fresh,) = open_accounts(connection)
    assert fresh.above == ((5, 100),)


def test_the_last_of_64_ranges_stands_for_all_that_follow(ledger: Ledger) -> None:
    ledger.say(1000, *((i, i) for i in range(2, 130, 2)))
    row = ledger.audit()
    assert row.in_flight == 63 + (1000 - 128 + 1)


def test_closing_ends_the_account_and_a_record_opens_it_again(ledger: Ledger) -> None:
    ledger.take(1, 9)
    ledger.say(12, (2, 3))
    with ledger.database.write() as tx:
        assert accounts.close(tx, GATEWAY, EPOCH, "card died") == 10
    row = ledger.audit()
    assert (row.missing, row.in_flight, row.gone) == (0, 0, 10)
    assert (row.closed, row.closed_reason) == (True, "card died")
    with ledger.database.read() as connection:
        assert open_accounts(connection) == []
    ledger.take(2)
    assert not ledger.audit().closed


def test_a_closed_account_whose_card_lives_is_open(ledger: Ledger) -> None:
    ledger.take(1, 3)
    for again in (lambda: ledger.take(1), lambda: ledger.say(3)):
        with ledger.database.write() as tx:
            accounts.close(tx, GATEWAY, EPOCH, "card died")
        assert ledger.audit().closed
        again()
        row = ledger.audit()
        assert (row.closed, row.committed, row.gone, row.missing) == (False, 2, 1, 0)


def test_what_is_remembered_is_what_the_rows_say(ledger: Ledger) -> None:
    for seq in (1, 2, 9, 5, 3, 30, 31, 29):
        ledger.take(seq)
    ledger.lose((10, 12), (33, 40))
    with ledger.database.read() as connection:
        (fresh,) = open_accounts(connection)
    assert fresh.watermark == 3
    assert fresh.above == ((5, 5), (9, 12), (29, 31), (33, 40))
    assert ledger.cache.get((GATEWAY, EPOCH), fresh.version) == fresh.above


def test_a_clock_that_ran_ahead_does_not_silence_an_agent(ledger: Ledger) -> None:
    assert ledger.say(5, age_s=-1e9)
    ledger.clock.advance(30)
    assert ledger.say(7, age_s=-30)
    assert ledger.audit().heard == 7


def test_a_gateway_has_so_many_accounts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MAX_EPOCHS", 3)

    def hear(*epochs: int) -> list[Numbered]:
        numbers = [Number(epoch=Epoch(f"{epoch:016x}"), seq=2) for epoch in epochs]
        with ledger.database.write() as tx:
            found = Accounts(tx, ledger.cache)
            found.prefetch((GATEWAY, number) for number in numbers)
            taken = [
                found.take(GATEWAY, number, Kind.LORAWAN, b"", backlog=False) for number in numbers
            ]
            found.declare_gone(GATEWAY, numbers[-1].epoch, [(1, 1)], "shed")
            found.flush()
        assert len(found.committed()) == sum(each is not Numbered.SURPLUS for each in taken)
        return taken

    new, surplus, known = Numbered.NEW, Numbered.SURPLUS, Numbered.KNOWN
    assert hear(1, 2) == [new, new]
    assert hear(3, 4) == [new, surplus]
    assert hear(4) == [surplus]
    assert hear(1, 5) == [known, surplus]
    with ledger.database.write() as tx:
        accounts.close(tx, GATEWAY, Epoch(f"{1:016x}"), "worn out")
    assert hear(4) == [new]
    with ledger.database.read() as connection:
        assert len(accounts.audit(connection, START)) == 4


def test_an_account_is_not_torn_into_any_number_of_pieces(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MAX_PIECES", 3)
    assert ledger.take(2, 4, 6) == [Numbered.NEW] * 3
    assert ledger.take(8) == [Numbered.SURPLUS]
    ledger.lose((10, 10))
    assert ledger.audit().gone == 0
    assert ledger.take(2) == [Numbered.KNOWN]
    assert ledger.take(1) == [Numbered.NEW]
    assert ledger.take(3, 8) == [Numbered.NEW] * 2
    assert ledger.audit().missing == 2  # 5 and 7
    ledger.take(10, 12)
    with ledger.database.write() as tx:  # whoever ends such an account can
        assert accounts.close(tx, GATEWAY, EPOCH, "torn") == 3


def test_many_pieces_cost_little() -> None:
    account = Account(GATEWAY, EPOCH, first_at=0)
    account.above = tuple((2 * i + 2, 2 * i + 2) for i in range(50_000))
    began = time.process_time()
    for i in range(0, 40_000, 200):
        assert account.settle(2 * i + 3, 2 * i + 3) == 1
    assert account.settle_all((4 * i + 200_001, 4 * i + 200_002) for i in range(1000)) == 2000
    assert time.process_time() - began < 2


def test_settling_all_is_settling_each() -> None:
    ranges = [(9, 12), (1, 2), (4, 4), (11, 20), (30, 29), (3, 3)]
    one, all_ = Account(GATEWAY, EPOCH, first_at=0), Account(GATEWAY, EPOCH, first_at=0)
    assert sum(one.settle(*span) for span in ranges) == all_.settle_all(ranges) == 16
    assert one == all_
    assert (one.watermark, one.above) == (4, ((9, 20),))
