"""The account of each gateway's numbers: what of them is settled, and what was said to be gone.

An agent numbers all that it hears, per epoch, from 1 and without holes. A number is settled once a
record with it is committed, whatever became of the record, or once the agent says that it will
never come. The same number with another content is a conflict: two agents share one outbox.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from khaen.clock import SystemClock, to_micros
from khaen.ids import Epoch, GatewayEui
from khaen.receipt import MAX_GAPS
from khaen.status import GatewayStatus
from khaen.uplink import Kind, Number
from store import spans
from store.account import (
    Account,
    parse_account,
    read_above,
    read_accounts,
    render_account,
)
from store.database import Transaction
from store.schema.accounts import gateway_epoch, gateway_gone, gateway_number
from store.spans import Spans
from store.statements import Statements, inserting, replacing

Key = tuple[GatewayEui, Epoch]


class Numbered(enum.Enum):
    """What a number is to the account."""

    NEW = enum.auto()
    KNOWN = enum.auto()
    """Committed before with the same content: only the receipt is said again."""
    CONFLICT = enum.auto()
    SURPLUS = enum.auto()
    """Of an epoch beyond MAX_EPOCHS, or in a piece beyond MAX_PIECES: no account is kept of it."""


MAX_EPOCHS = 4096
"""Accounts of one gateway that may be open. An epoch is the life of a card; whoever begins more is
no agent, and all of them are held in memory by ingest."""

MAX_PIECES = 100_000
"""Pieces in which an account's numbers may lie above its watermark. An agent sends its backlog in
order and leaves few gaps; each piece costs everybody time in the transaction."""


class AccountCache:
    """What is settled above each watermark, kept between transactions and checked in each."""

    def __init__(self) -> None:
        self._above: dict[Key, tuple[tuple[int, int, int], Spans]] = {}

    def get(self, key: Key, version: tuple[int, int, int]) -> Spans | None:
        """What was remembered, if nobody changed the account since."""
        found = self._above.get(key)
        return found[1] if found is not None and found[0] == version else None

    def put(self, account: Account) -> None:
        """Remember a committed account."""
        self._above[account.gateway, account.epoch] = (account.version, account.above)


class Accounts:
    """The accounts that one transaction touches."""

    def __init__(self, tx: Transaction, cache: AccountCache) -> None:
        self._tx, self._cache = tx, cache
        self._accounts: dict[Key, Account] = {}
        self._gaps: dict[Key, int] = {}
        self._digests: dict[tuple[GatewayEui, Epoch, int], bytes] = {}
        self._numbers: list[tuple[str, str, int, str, bytes]] = []
        self._gone: list[tuple[str, str, int, int, str, int]] = []
        self._begun: dict[GatewayEui, int] = {}
        """Open accounts of gateways that begin one."""
        self._surplus: set[Key] = set()

    def prefetch(self, numbers: Iterable[tuple[GatewayEui, Number]]) -> None:
        """Read what is known of these numbers, in a few statements for all."""
        wanted: dict[Key, list[int]] = {}
        for gateway, number in numbers:
            wanted.setdefault((gateway, number.epoch), []).append(number.seq)
        self._read(wanted)
        for (gateway, epoch), seqs in wanted.items():
            account = self.account(gateway, epoch)
            if seen := [seq for seq in seqs if account.settles(seq)]:
                rows = self._tx.connection.execute(
                    _DIGESTS, {"gateway": gateway, "epoch": epoch, "seqs": seen}
                )
                for seq, digest in rows:
                    self._digests[gateway, epoch, seq] = digest

    def account(self, gateway: GatewayEui, epoch: Epoch) -> Account:
        """The account, read or begun."""
        key = gateway, epoch
        if key not in self._accounts:
            self._read([key])
        return self._accounts[key]

    def take(
        self, gateway: GatewayEui, number: Number, kind: Kind, digest: bytes, *, backlog: bool
    ) -> Numbered:
        """Settle a number that came with a record. The number must have been prefetched."""
        account = self.account(gateway, number.epoch)
        seq = number.seq
        torn = len(account.above) >= MAX_PIECES and seq != account.watermark + 1
        if (gateway, number.epoch) in self._surplus or (torn and not account.settles(seq)):
            return Numbered.SURPLUS
        account.closed_at = account.closed_reason = None  # the card lives: it wants its receipts
        if account.settles(seq):
            known = self._digests.get((gateway, number.epoch, seq))
            if known == digest:
                return Numbered.KNOWN
            if known is not None:
                account.conflict = True
                return Numbered.CONFLICT
            account.gone -= 1  # was said to be gone, and came all the same
        else:
            account.settle(seq, seq)
        account.committed += 1
        account.late += backlog
        account.highest = max(account.highest, seq)
        self._digests[gateway, number.epoch, seq] = digest
        self._numbers.append((gateway, number.epoch, seq, kind.value, digest))
        return Numbered.NEW

    def declare_gone(
        self, gateway: GatewayEui, epoch: Epoch, ranges: Iterable[tuple[int, int]], reason: str
    ) -> None:
        """Settle numbers that will never come."""
        account = self.account(gateway, epoch)
        if (gateway, epoch) in self._surplus:
            return
        if len(account.above) >= MAX_PIECES:
            ranges = [(a, b) for a, b in ranges if a <= account.watermark + 1]
        # What is settled already needs no row, which would take the place of a longer one.
        lost = spans.unite((a, b) for a, b in ranges if 1 <= a <= b and account.unsettled(a, b))
        account.gone += account.settle_all(lost)
        self._gone += ((gateway, epoch, a, b, reason, self._tx.now) for a, b in lost)

    def note_status(self, gateway: GatewayEui, status: GatewayStatus) -> bool:
        """Take what an agent says of itself; False for what is no newer than what is known.

        Newer is a later time, or more numbers, whatever the agent's clock says.
        """
        account = self.account(gateway, status.epoch)
        # A clock that ran ahead must not silence all that the agent says once it is right.
        at = min(to_micros(status.at), self._tx.now)
        later = account.status_at is None or at > account.status_at
        if not later and status.last_seq <= account.last_seq:
            return False
        account.closed_at = account.closed_reason = None
        account.status_at = at
        account.last_seq = max(account.last_seq, status.last_seq)
        account.waiting = _waiting(status)
        return True

    def flush(self) -> None:
        """Write it all."""
        engine = self._tx.connection.engine
        if self._numbers:
            self._tx.many(_SQL.sql(engine, "number"), self._numbers)
        if self._gone:
            self._tx.many(_SQL.sql(engine, "gone"), self._gone)
        if self._accounts:
            rows = [render_account(account) for _, account in self._kept()]
            self._tx.many(_SQL.sql(engine, "epoch"), rows)

    def committed(self) -> list[tuple[Account, bool]]:
        """To be called after the commit: accounts touched, and whether a gap opened or closed."""
        touched = []
        for key, account in self._kept():
            self._cache.put(account)
            touched.append((account, len(account.above) != self._gaps[key]))
        return touched

    def _read(self, keys: Iterable[Key]) -> None:
        """Read the accounts of these keys, or begin them."""
        wanted = [key for key in keys if key not in self._accounts]
        connection = self._tx.connection
        for account in read_accounts(connection, wanted) if wanted else ():
            key = account.gateway, account.epoch
            above = self._cache.get(key, account.version)
            account.above = read_above(connection, account) if above is None else above
            self._accounts[key] = account
        for key in wanted:
            if key not in self._accounts:
                self._begin(key)
            self._gaps[key] = len(self._accounts[key].above)

    def _begin(self, key: Key) -> None:
        """A new account, kept unless its gateway has too many."""
        gateway, _ = key
        if gateway not in self._begun:
            self._begun[gateway] = self._tx.connection.execute(
                _OPEN, {"gateway": gateway}
            ).scalar_one()
        self._begun[gateway] += 1
        if self._begun[gateway] > MAX_EPOCHS:
            self._surplus.add(key)
        self._accounts[key] = Account(*key, first_at=self._tx.now)

    def _kept(self) -> list[tuple[Key, Account]]:
        return [(k, account) for k, account in self._accounts.items() if k not in self._surplus]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """The proof for one epoch: heard = committed + gone + in_flight + missing.

    `heard` is the greater of what the agent said and what came; `age_s` is how old the agent's
    word is, None where it never said anything.
    """

    gateway_eui: GatewayEui
    epoch: Epoch
    heard: int
    committed: int
    gone: int
    in_flight: int
    missing: int
    late: int
    conflict: bool
    age_s: float | None
    closed: bool
    closed_reason: str | None


def audit(connection: Connection, now: datetime | None = None) -> list[AccountRow]:
    """The accounts of all gateways and epochs, oldest epoch first."""
    at = to_micros(now or SystemClock().now())
    rows = connection.execute(
        select(gateway_epoch).order_by(gateway_epoch.c.gateway_eui, gateway_epoch.c.first_at)
    )
    return [_audit(connection, parse_account(row), at) for row in rows]


def _audit(connection: Connection, account: Account, now: int) -> AccountRow:
    heard = max(account.highest, account.last_seq)
    in_flight = 0
    if account.waiting:
        account.above = read_above(connection, account)
        in_flight = sum(
            account.unsettled(first, min(last, heard)) for first, last in account.waiting
        )
    age = None if account.status_at is None else max(0.0, (now - account.status_at) / 1e6)
    return AccountRow(
        gateway_eui=account.gateway,
        epoch=account.epoch,
        heard=heard,
        committed=account.committed,
        gone=account.gone,
        in_flight=in_flight,
        missing=heard - account.committed - account.gone - in_flight,
        late=account.late,
        conflict=account.conflict,
        age_s=age,
        closed=account.closed_at is not None,
        closed_reason=account.closed_reason,
    )


def close(tx: Transaction, gateway: GatewayEui, epoch: Epoch, reason: str) -> int:
    """End the account of a card that died: what it lacks is gone. How many numbers that were."""
    accounts = Accounts(tx, AccountCache())
    account = accounts.account(gateway, epoch)
    heard = max(account.highest, account.last_seq)
    before = account.gone
    if heard:
        accounts.declare_gone(gateway, epoch, [(1, heard)], "closed")
    account.waiting = ()
    account.closed_at, account.closed_reason = tx.now, reason
    accounts.flush()
    return account.gone - before


def _waiting(status: GatewayStatus) -> Spans:
    ranges: Sequence[tuple[int, int]] = status.waiting
    if len(ranges) >= MAX_GAPS:
        ranges = (*ranges[:-1], (ranges[-1][0], max(ranges[-1][1], status.last_seq)))
    return spans.unite((a, b) for a, b in ranges if 1 <= a <= b)


_OPEN = (
    select(func.count())
    .select_from(gateway_epoch)
    .where(gateway_epoch.c.gateway_eui == bindparam("gateway"), gateway_epoch.c.closed_at.is_(None))
)
_DIGESTS = select(gateway_number.c.seq, gateway_number.c.digest).where(
    gateway_number.c.gateway_eui == bindparam("gateway"),
    gateway_number.c.epoch == bindparam("epoch"),
    gateway_number.c.seq.in_(bindparam("seqs", expanding=True)),
)
_SQL = Statements(
    number=inserting(gateway_number),
    gone=replacing(gateway_gone),
    epoch=replacing(gateway_epoch),
)
