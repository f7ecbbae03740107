"""How long a receipted record is held where the receipt came before the true time did."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from khaen.clock import ManualClock
from khaen.receipt import EpochReceipt
from tests.edge.fixtures import START, FakeHost, make_arrival, make_outbox, make_receipt, run

HOLD_S = 3600.0
"""As fixtures have it."""
TOGETHER_S = 600.0
"""Records whose time is over leave together; so long the first of them may wait."""
WRONG = {
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
    "a month ago": START - timedelta(days=30),
    "in ten years": START + timedelta(days=3650),
}


class Steppable(ManualClock):
    """A clock of which everybody knows when it is told the true time."""

    def __init__(self, wrong: datetime) -> None:
        super().__init__(START)
        self._wrong: timedelta | None = wrong - START

    def now(self) -> datetime:
        return super().now() + (self._wrong or timedelta())

    def correct(self) -> None:
        self._wrong = None

    @property
    def true(self) -> bool:
        return self._wrong is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pi(FakeHost):
    """A machine that learns the time late."""

    clock: Steppable

    def synchronised(self) -> bool:
        return self.clock.true


@pytest.mark.parametrize("by_receipt", [True, False], ids=["receipt", "puback"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_it_is_held_as_long_as_any_other(tmp_path: Path, wrong: datetime, by_receipt: bool) -> None:
    clock = Steppable(wrong)
    outbox = make_outbox(tmp_path / "outbox.sqlite", clock, Pi(clock=clock))
    (record,) = outbox.run([partial(outbox.append, [make_arrival(at=None)])])[0].records
    if by_receipt:
        entry = EpochReceipt(epoch=record.number.epoch, watermark=1, upto=1)
        run(outbox, partial(outbox.obey, make_receipt(entry)))
    else:
        run(outbox, partial(outbox.settle, [record.number]))
    run(outbox, outbox.prune)

    clock.correct()
    clock.advance(60)
    for age_s, held in ((0, 1), (HOLD_S - 60, 1), (TOGETHER_S + 120, 0)):
        clock.advance(age_s)
        run(outbox, outbox.prune)
        assert outbox.run([outbox.count])[0].held == held, f"{clock.monotonic()} s"
    outbox.close()
