"""What a running demonstration shows: lines as things happen, and counters beneath them.

On a terminal the counters stand still at the bottom and change; elsewhere they are a line now and
then.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from commands.books import Balance
from khaen.ids import GatewayEui
from khaen.site.model import Gateway
from simulators.twin import Tally

_PLAIN_EACH_S: Final = 5.0
_HEADINGS: Final = (
    "ได้ยิน\nheard",
    "บันทึกแล้ว\ncommitted",
    "กำลังมา\nin flight",
    "มาช้า\nlate",
    "ขาด\nmissing",
)


class Screen:
    """Standard output; a context manager while the counters are shown."""

    def __init__(self, gateways: Mapping[GatewayEui, Gateway]) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._gateways = gateways
        self._live: Live | None = None
        self._next_plain = _PLAIN_EACH_S

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """One line, above the counters."""
        self.console.print(Text(text))

    def tell(self, at: float, th: str, en: str) -> None:
        """A line of the story: seconds from the first frame, Thai, English."""
        self.console.print(Text(f"{at:6.1f} s  {th}  ·  {en}"))

    def show(self, at: float, balance: Balance, tallies: Mapping[GatewayEui, Tally]) -> None:
        """The counters as they are now."""
        if self._live is not None:
            self._live.update(self._table(balance, tallies), refresh=True)
        elif at >= self._next_plain:
            self._next_plain = at + _PLAIN_EACH_S
            self.say(f"{at:6.1f} s  {summarise(balance, tallies)}")

    def _table(self, balance: Balance, tallies: Mapping[GatewayEui, Tally]) -> Table:
        table = Table(
            title=f"เหตุที่เปิดอยู่ alarms open: {balance.alarms_open}", title_justify="left", box=None
        )
        table.add_column("เกตเวย์\ngateway")
        for heading in _HEADINGS:
            table.add_column(heading, justify="right")
        for eui, gateway in self._gateways.items():
            sums = balance.of(eui)
            heard = tallies[eui].acked if eui in tallies else 0
            table.add_row(
                gateway.name,
                str(heard),
                str(sums.lorawan),
                str(max(0, heard - sums.lorawan)),
                str(sums.late),
                str(sums.missing),
            )
        return table


def summarise(balance: Balance, tallies: Mapping[GatewayEui, Tally]) -> str:
    """The counters of all gateways in one line."""
    heard = sum(tally.acked for tally in tallies.values())
    return (
        f"frames heard {heard}  committed {balance.total('lorawan')}  "
        f"late {balance.total('late')}  missing {balance.total('missing')}  "
        f"alarms open {balance.alarms_open}"
    )
