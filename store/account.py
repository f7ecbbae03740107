"""One epoch of one gateway: what of its numbers is settled, and what the agent is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select

from khaen.ids import Epoch, GatewayEui
from khaen.receipt import MAX_GAPS, EpochReceipt
from store import spans
from store.schema.accounts import gateway_epoch, gateway_gone, gateway_number
from store.spans import Spans


@dataclass(slots=True)
class Account:
    """One epoch of one gateway, as it stands within a transaction."""

    gateway: GatewayEui
    epoch: Epoch
    first_at: int
    watermark: int = 0
    highest: int = 0
    last_seq: int = 0
    waiting: Spans = ()
    status_at: int | None = None
    committed: int = 0
    gone: int = 0
    late: int = 0
    conflict: bool = False
    closed_at: int | None = None
    closed_reason: str | None = None
    above: Spans = ()
    """What is settled above the watermark."""

    @property
    def version(self) -> tuple[int, int, int]:
        """Changes whenever `above` does."""
        return self.watermark, self.committed, self.gone

    def settles(self, seq: int) -> bool:
        """Whether the number is settled."""
        return seq <= self.watermark or spans.holds(self.above, seq)

    def settle(self, first: int, last: int) -> int:
        """Settle the numbers from `first` to `last`; how many of them were not before."""
        start = max(first, self.watermark + 1)
        new = self.unsettled(start, last)
        if new == 0:
            return 0
        if start == self.watermark + 1 and not self.above:
            self.watermark = last
            return new
        self.above = spans.add(self.above, start, last)
        self._rise()
        return new

    def settle_all(self, ranges: Iterable[tuple[int, int]]) -> int:
        """The same for many ranges at once, in any order; how many numbers were not before."""
        wanted = [(max(first, self.watermark + 1), last) for first, last in ranges]
        before = _size(self.above)
        self.above = spans.unite(self.above, (span for span in wanted if span[0] <= span[1]))
        new = _size(self.above) - before
        self._rise()
        return new

    def _rise(self) -> None:
        """Let the watermark take in what has become adjacent to it."""
        if self.above and self.above[0][0] == self.watermark + 1:
            self.watermark = self.above[0][1]
            self.above = self.above[1:]

    def unsettled(self, first: int, last: int) -> int:
        """How many of the numbers from `first` to `last` are not settled."""
        start = max(first, self.watermark + 1)
        if start > last:
            return 0
        return last - start + 1 - spans.count(self.above, start, last)

    def receipt(self) -> EpochReceipt:
        """What the agent is told."""
        missing: list[tuple[int, int]] = []
        upto = self.watermark
        for first, last in self.above:
            if len(missing) == MAX_GAPS:
                break
            missing.append((upto + 1, first - 1))
            upto = last
        return EpochReceipt(
            epoch=self.epoch,
            watermark=self.watermark,
            upto=upto,
            missing=tuple(missing),
            conflict=self.conflict,
        )


def _size(numbers: Spans) -> int:
    return sum(last - first + 1 for first, last in numbers)


def read_accounts(
    connection: Connection, keys: Iterable[tuple[GatewayEui, Epoch]]
) -> list[Account]:
    """Those of these accounts that there are, without what lies above their watermarks."""
    wanted = set(keys)
    gateways, epochs = sorted({g for g, _ in wanted}), sorted({e for _, e in wanted})
    rows = connection.execute(_ACCOUNTS, {"gateways": gateways, "epochs": epochs})
    return [parse_account(row) for row in rows if (row.gateway_eui, row.epoch) in wanted]


def open_accounts(connection: Connection) -> list[Account]:
    """All accounts that are not closed, oldest first."""
    rows = connection.execute(
        select(gateway_epoch)
        .where(gateway_epoch.c.closed_at.is_(None))
        .order_by(gateway_epoch.c.gateway_eui, gateway_epoch.c.first_at)
    )
    accounts = [parse_account(row) for row in rows]
    for account in accounts:
        account.above = read_above(connection, account)
    return accounts


def read_above(connection: Connection, account: Account) -> Spans:
    """What is settled above the watermark, from the rows themselves."""
    if account.highest <= account.watermark and not account.gone:
        return ()
    above = {"gateway": account.gateway, "epoch": account.epoch, "above": account.watermark}
    came = spans.gather(connection.execute(_SEQS, above).scalars())
    gone = [
        (max(first, account.watermark + 1), last)
        for first, last in connection.execute(_GONE, above)
    ]
    return spans.unite(came, gone)


def parse_account(row: Row[tuple[object, ...]]) -> Account:
    """An account without what lies above its watermark."""
    return Account(
        gateway=GatewayEui(row.gateway_eui),
        epoch=Epoch(row.epoch),
        first_at=row.first_at,
        watermark=row.watermark,
        highest=row.highest,
        last_seq=row.last_seq,
        waiting=tuple((a, b) for a, b in json.loads(row.waiting)),
        status_at=row.status_at,
        committed=row.committed,
        gone=row.gone,
        late=row.late,
        conflict=bool(row.conflict),
        closed_at=row.closed_at,
        closed_reason=row.closed_reason,
    )


def render_account(account: Account) -> tuple[object, ...]:
    """The row of an account, in the order of the table's columns."""
    return (
        account.gateway,
        account.epoch,
        account.watermark,
        account.highest,
        account.last_seq,
        json.dumps(account.waiting),
        account.status_at,
        account.committed,
        account.gone,
        account.late,
        account.conflict,
        account.first_at,
        account.closed_at,
        account.closed_reason,
    )


_ACCOUNTS = select(gateway_epoch).where(
    gateway_epoch.c.gateway_eui.in_(bindparam("gateways", expanding=True)),
    gateway_epoch.c.epoch.in_(bindparam("epochs", expanding=True)),
)
_SEQS = (
    select(gateway_number.c.seq)
    .where(
        gateway_number.c.gateway_eui == bindparam("gateway"),
        gateway_number.c.epoch == bindparam("epoch"),
        gateway_number.c.seq > bindparam("above"),
    )
    .order_by(gateway_number.c.seq)
)
_GONE = select(gateway_gone.c.first, gateway_gone.c.last).where(
    gateway_gone.c.gateway_eui == bindparam("gateway"),
    gateway_gone.c.epoch == bindparam("epoch"),
    gateway_gone.c.last > bindparam("above"),
)
