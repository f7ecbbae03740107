"""What the ledger says of a running site: the counters that `khaen demo` shows and reports."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select

from khaen.alarm import Alarm
from khaen.ids import AlarmId, GatewayEui
from khaen.uplink import Kind
from store import accounts, alarms, board
from store.database import Database
from store.registry import Registry
from store.schema.accounts import gateway_number

_MOST_ALARMS = 1000
_NEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """One gateway's numbers, over all its epochs; `lorawan` are the committed radio frames."""

    heard: int = 0
    committed: int = 0
    gone: int = 0
    in_flight: int = 0
    missing: int = 0
    late: int = 0
    lorawan: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A look at the books."""

    gateways: Mapping[GatewayEui, Sums] = field(default_factory=dict)
    alarms_open: int = 0
    newest: tuple[Alarm, ...] = ()
    """The alarms raised last, open or not, the newest first."""

    def of(self, gateway: GatewayEui) -> Sums:
        """A gateway's numbers, zeros before anything came."""
        return self.gateways.get(gateway, Sums())

    def total(self, name: str) -> int:
        """The sum of one of the numbers over all gateways."""
        return sum(getattr(sums, name) for sums in self.gateways.values())


class Books:
    """Reads the ledger of a site, of which it shares the file. Its methods block."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def close(self) -> None:
        """Close the ledger."""
        self._database.close()

    def balance(self) -> Balance:
        """The counters as they are committed now. Raises StoreUnavailable."""
        with self._database.read() as connection:
            rows = accounts.audit(connection)
            committed = connection.execute(
                select(gateway_number.c.gateway_eui, func.count())
                .where(gateway_number.c.kind == Kind.LORAWAN.value)
                .group_by(gateway_number.c.gateway_eui)
            )
            lorawan = {row[0]: int(row[1]) for row in committed}
            everywhere = frozenset(Registry.load(connection).organisations)
            open_now = alarms.listed(connection, everywhere, open_only=True, limit=_MOST_ALARMS)
            newest = alarms.listed(connection, everywhere, open_only=False, limit=_NEWEST)
        sums: defaultdict[GatewayEui, Counter[str]] = defaultdict(Counter)
        for row in rows:
            for name in ("heard", "committed", "gone", "in_flight", "missing", "late"):
                sums[row.gateway_eui][name] += getattr(row, name)
        return Balance(
            gateways={
                eui: Sums(**counts, lorawan=lorawan.get(eui, 0)) for eui, counts in sums.items()
            },
            alarms_open=len(open_now),
            newest=tuple(newest),
        )

    def hearing_gateways(self, ids: Iterable[AlarmId]) -> int:
        """How many gateways heard the uplinks that raised these alarms, at most of one of them."""
        with self._database.read() as connection:
            found = board.hearings(connection, list(ids))
        return max((hearing.gateways for hearing in found.values()), default=0)
