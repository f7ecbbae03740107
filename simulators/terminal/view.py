"""The terminal view of a running simulation: a picture fitted into so many lines and columns.

What is wrong comes first: cut links, silent devices. Every screen says that nobody in it is real.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulators.people import BANGKOK
from simulators.terminal.picture import DeviceLine, FaultLine, GatewayLine, Happening, Picture
from simulators.terminal.warning import warn_of_silence

_MOST_GATEWAYS: Final = 8
_MOST_FAULTS: Final = 4
_RECENT: Final = 5
_LEAST: Final = 12
_FRAME: Final = 5
"""Lines that are always there: title, counters, headings of two tables, what is typed."""


def render(picture: Picture, console: Console, *, typed: str = "") -> Group:
    """The picture as it fits the console, 12 lines at least, with what is being typed beneath."""
    width, height = console.size
    room = max(_LEAST, height) - _FRAME
    gateways = _choose(picture.gateways, min(_MOST_GATEWAYS, room // 4))
    faults = picture.faults[: min(_MOST_FAULTS, room // 4)]
    room -= len(gateways) + len(faults)
    recent = _happenings(picture.recent, console, width, room // 2)
    room -= len(recent)
    parts: list[RenderableType] = [
        _title(picture),
        _counters(picture),
        _gateways(gateways, len(picture.gateways)),
        _devices(picture.devices[: max(1, room)]),
        *_faults(faults),
        *recent,
        _line(Text.assemble(("> ", "bold"), typed, ("▏", "bold"))),
    ]
    return Group(*parts)


def summarise(picture: Picture) -> str:
    """The picture in one line, for where no terminal is."""
    faults = f"  faults {len(picture.faults)}" if picture.faults else ""
    alarms = "" if picture.alarms_open is None else f"  alarms open {picture.alarms_open}"
    acked = sum(gateway.acked for gateway in picture.gateways)
    return (
        f"{picture.seconds:7.1f} s  simulated: {picture.rate:.1f} uplinks/s  "
        f"frames {picture.frames}  unheard {picture.unheard}  acked {acked}  "
        f"silent {picture.silent_count}/{picture.device_count}{faults}{alarms}"
    )


def conclude(picture: Picture) -> Iterator[str]:
    """What a run came to, in lines for its end."""
    yield summarise(picture)
    for fault in picture.faults:
        yield f"fault {fault.text}: {fault.done or 'touched nothing'}"
    if picture.raised:
        yield "alarms raised: " + ", ".join(f"{kind} × {count}" for kind, count in picture.raised)
    if silence := warn_of_silence(picture.gateways):
        yield silence


def render_happening(happening: Happening) -> str:
    """One line: the time in Thailand, and what happened."""
    return f"{happening.at.astimezone(BANGKOK):%H:%M:%S}  {happening.text}"


def _title(picture: Picture) -> Text:
    now = picture.now.astimezone(BANGKOK)
    return _line(
        Text.assemble(
            (" ซ้อม · SIMULATED ", "bold black on yellow"),
            f"  {picture.site}  {now:%Y-%m-%d %H:%M:%S}  ",
            ("help", "bold"),
            " · ",
            ("quit", "bold"),
        )
    )


def _counters(picture: Picture) -> Text:
    alarms = "" if picture.alarms_open is None else f"  alarms open {picture.alarms_open}"
    text = (
        f"{picture.rate:.1f} uplinks/s  frames {picture.frames}  unheard {picture.unheard}  "
        f"devices {picture.device_count}"
    )
    silent = f"  silent {picture.silent_count}"
    return _line(
        Text.assemble(
            text,
            (silent, "bold red" if picture.silent_count else "dim"),
            (alarms, "bold red" if picture.alarms_open else "dim"),
        )
    )


def _choose(lines: Sequence[GatewayLine], most: int) -> Sequence[GatewayLine]:
    """As many as there is room for: those that are cut off and those with a backlog first."""
    if len(lines) <= most:
        return lines
    return sorted(lines, key=lambda line: (not line.link, -(line.backlog or 0)))[:most]


def _gateways(lines: Sequence[GatewayLine], count: int) -> Table:
    more = f" ({len(lines)} of {count})" if len(lines) < count else ""
    table = _table(f"gateway{more}", "sent", "acked", "committed", "backlog", "missing", "link")
    for line in lines:
        bad = line.link != "" or bool(line.missing)
        table.add_row(
            f"{line.short} {line.name}",
            str(line.sent),
            str(line.acked),
            _number(line.committed),
            _number(line.backlog),
            _number(line.missing),
            line.link or "up",
            style="bold red" if bad else "",
        )
    return table


def _devices(lines: Iterable[DeviceLine]) -> Table:
    table = _table("device", "heard", "gateways", "rssi", "snr", "family", left=(5,))
    for line in lines:
        heard = line.ago is not None
        table.add_row(
            line.name,
            _age(line.ago),
            str(line.gateways) if heard else "-",
            str(line.rssi) if heard else "-",
            f"{line.snr:.1f}" if heard else "-",
            line.family,
            style="bold red" if line.silent else "",
        )
    return table


def _faults(lines: Iterable[FaultLine]) -> Iterable[Text]:
    for line in lines:
        yield _line(Text.assemble(("fault  ", "bold magenta"), line.text, f"  {line.done}"))


def _happenings(
    happenings: Sequence[Happening], console: Console, width: int, most: int
) -> list[Text]:
    """The last lines of what happened: five, or as many as the newest has, of `most`."""
    lines: list[Text] = []
    newest = 0
    for happening in happenings[-most:]:
        wrapped = Text(render_happening(happening), style="cyan").wrap(console, width)
        newest = len(wrapped)
        lines += wrapped
    return lines[-min(most, max(_RECENT, newest)) :]


def _table(first: str, *rest: str, left: tuple[int, ...] = ()) -> Table:
    """Columns in one line each, whatever the width; the first takes what room there is."""
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column(first, ratio=1, no_wrap=True, overflow="ellipsis")
    for number, heading in enumerate(rest, start=1):
        table.add_column(
            heading,
            justify="left" if number in left else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
