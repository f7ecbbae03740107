"""When receipts are said, and what they say."""

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from ingest.receipts import Receipts
from khaen import receipt, topics
from khaen.clock import SystemClock
from khaen.ids import Epoch, GatewayEui
from khaen.priority import PriorityList
from khaen.receipt import Receipt
from store.account import Account
from tests.support.traffic import EPOCH, GATEWAYS


@dataclass
class Desk:
    """Receipts, and what they publish."""

    said: "queue.Queue[tuple[float, str, bytes]]" = field(default_factory=queue.Queue)
    refuses: int = 0
    """How many more messages the client does not take."""

    def __post_init__(self) -> None:
        self.receipts = Receipts(
            site=lambda: "test",
            ledger="a-ledger",
            publish=self._publish,
            clock=SystemClock(),
            gather_s=0.2,
        )

    def _publish(self, topic: str, payload: bytes) -> bool:
        if self.refuses:
            self.refuses -= 1
            return False
        self.said.put((time.monotonic(), topic, payload))
        return True

    def next(self, wanted: Callable[[Receipt], bool]) -> tuple[float, Receipt]:
        while True:
            at, topic, payload = self.said.get(timeout=5)
            if topic != topics.PRIORITY and wanted(found := receipt.parse(payload)):
                return at, found


def account(*settled: int, gateway: GatewayEui = GATEWAYS[0], epoch: str = EPOCH) -> Account:
    found = Account(gateway, Epoch(epoch), first_at=0)
    for seq in settled:
        found.settle(seq, seq)
    return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    found.receipts.start([account(1, 2, 3)])
    yield found
    found.receipts.stop()


def test_what_the_ledger_has_is_said_at_the_start_and_at_each_connection(desk: Desk) -> None:
    _, first = desk.next(lambda r: r.epochs[0].watermark == 3)
    assert (first.site, first.ledger) == ("test", "a-ledger")
    desk.receipts.connected()
    _, again = desk.next(lambda r: r.since > first.since)
    assert again.epochs == first.epochs


def test_ordinary_ones_are_gathered_and_gaps_are_said_at_once(desk: Desk) -> None:
    desk.next(lambda r: r.epochs[0].watermark == 3)
    time.sleep(0.25)
    desk.receipts.note([(account(*range(1, 5)), False)])
    begun, _ = desk.next(lambda r: r.epochs[0].watermark == 4)
    for upto in range(5, 9):
        desk.receipts.note([(account(*range(1, upto + 1)), False)])
    gathered, _ = desk.next(lambda r: r.epochs[0].watermark == 8)
    assert gathered - begun >= 0.19
    desk.receipts.note([(account(*range(1, 9), 11), True)])
    noted = time.monotonic()
    at, found = desk.next(lambda r: r.epochs[0].upto == 11)
    assert at - noted < 0.15
    assert found.epochs[0].missing == ((9, 10),)


def test_a_closed_epoch_is_said_no_more(desk: Desk) -> None:
    desk.next(lambda r: bool(r.epochs))
    closed = account(1, 2, 3)
    closed.closed_at = 1
    desk.receipts.note([(closed, True)])
    desk.next(lambda r: not r.epochs)


def test_of_many_epochs_the_newest_and_the_lacking_are_named(desk: Desk) -> None:
    many = []
    for i in range(30):
        found = account(1, *([3] if i == 2 else []), epoch=f"{i:016x}")
        found.first_at = i
        many.append((found, False))
    desk.receipts.note(many)
    _, found_receipt = desk.next(lambda r: len(r.epochs) > 1)
    named = {epoch.epoch for epoch in found_receipt.epochs}
    assert named == {f"{i:016x}" for i in (2, *range(14, 30))}


def test_an_old_epoch_is_named_when_it_changes(desk: Desk) -> None:
    many = [account(1, epoch=f"{i:016x}") for i in range(30)]
    desk.receipts.note([(found, False) for found in many])
    desk.receipts.note([(account(1, 2, epoch=f"{3:016x}"), False)])
    desk.next(lambda r: (r.epochs[0].epoch, r.epochs[0].watermark) == (f"{3:016x}", 2))


def test_what_the_client_does_not_take_is_said_again(desk: Desk) -> None:
    desk.next(lambda r: r.epochs[0].watermark == 3)
    desk.refuses = 1
    desk.receipts.note([(account(1, 2, 3, 4), True)])
    desk.next(lambda r: r.epochs[0].watermark == 4)
    desk.refuses = 1
    desk.receipts.prefer(PriorityList(f_ports=(11,)))
    while desk.said.get(timeout=5)[1] != topics.PRIORITY:
        pass
    assert desk.refuses == 0


def test_a_receipt_stays_small_however_many_epochs_a_gateway_invents(desk: Desk) -> None:
    desk.receipts.note([(account(2, epoch=f"{i:016x}"), False) for i in range(5000)])
    _, found = desk.next(lambda r: len(r.epochs) > 1)
    assert len(found.epochs) == 64


def test_priority_is_said_when_it_changes(desk: Desk) -> None:
    for ports in ((11,), (11,), (11, 12)):
        desk.receipts.prefer(PriorityList(f_ports=ports))
    deadline = time.monotonic() + 5
    last = b""
    while b"[11,12]" not in last and time.monotonic() < deadline:
        _, topic, payload = desk.said.get(timeout=5)
        last = payload if topic == topics.PRIORITY else last
    assert b'"f_ports":[11,12]' in last
