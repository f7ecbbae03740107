"""`khaen simulate --inside`: a site and all that serves it in one process, under virtual time."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from khaen.errors import SettingsError

if TYPE_CHECKING:
    from simulators.faults.fault import Fault
    from simulators.inside.world import World
    from simulators.sites.twin import Simulated
    from simulators.traffic import Pace

_TURN_S: Final = 0.2
"""Real seconds between two looks at whether somebody wants it to end."""
_LONGEST_STEP_S: Final = 3600.0
_TELL_S: Final = 5.0
_CALM_FROM_S: Final = 86_400.0
"""From a day on, gateways tell of themselves less often than real ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What was asked for; `seconds` of virtual time at `speed` of them a second."""

    folder: Path | None
    begin: datetime
    seconds: float
    speed: float
    pace: Pace
    seed: int
    life: float
    faults: tuple[Fault, ...]
    network_server: bool


def run(simulated: Simulated, inside: Inside) -> None:
    """Simulate until its time is over or a signal ends it. Raises NotRunnable, SettingsError."""
    from commands.imitated import keep_site, spread, tell_silent
    from commands.premises import new_folder
    from simulators.acts import life
    from simulators.inside.world import CALM, REAL, World
    from simulators.served import serve

    if math.isinf(inside.seconds):
        raise SettingsError("--inside: say how long it shall be, such as --for 24h")
    if inside.network_server:
        simulated = serve(simulated, seed=inside.seed)
    stop = _stopped()
    with (
        new_folder(inside.folder, "simulate") as folder,
        World(
            simulated.site,
            simulated.keys,
            seed=inside.seed,
            start=inside.begin,
            folder=folder,
            pace=spread(inside.pace, simulated.site),
            network_server=inside.network_server,
            cadence=CALM if inside.seconds >= _CALM_FROM_S else REAL,
            faults=inside.faults,
            join_keys=simulated.join_keys,
        ) as world,
    ):
        if inside.folder is not None:
            keep_site(simulated, folder, inside.seed)
        tell_silent(world.site, world.traffic)
        if inside.life:
            life.begin(world.traffic, world.site, seed=inside.seed, often=inside.life)
        _pass(world, inside, stop)
        for line in _say(world, folder if inside.folder else None):
            typer.echo(line)


def _stopped() -> threading.Event:
    """Set by Ctrl-C and its like."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _pass(world: World, inside: Inside, stop: threading.Event) -> None:
    """Let time pass in steps that take a fraction of a second each, however fast it goes."""
    from simulators.terminal.warning import warn_of_delay

    began, step, told = time.monotonic(), 1.0, False
    with _shown(inside.seconds, inside.begin) as show:
        while world.now < inside.seconds and not stop.is_set():
            if not math.isinf(inside.speed):
                due = began + (world.now + step) / inside.speed
                late = warn_of_delay(time.monotonic() - due)
                if late and not told:
                    told = True
                    typer.echo(late, err=True)
                step = max(0.01, _TURN_S * inside.speed)
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
            turn = time.monotonic()
            world.advance(min(inside.seconds, world.now + step))
            took = time.monotonic() - turn
            if math.isinf(inside.speed):
                factor = _TURN_S / max(took, _TURN_S / 4)
                step = min(_LONGEST_STEP_S, max(0.01, step * factor))
            show(world.now)


@contextmanager
def _shown(seconds: float, begin: datetime) -> Iterator[Callable[[float], None]]:
    """What shows how far it is: on a terminal a bar with the time left, else lines."""
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from simulators.acts.duration import show as show_span
    from simulators.people import BANGKOK

    def name(now: float) -> str:
        at = (begin + timedelta(seconds=now)).astimezone(BANGKOK)
        return f"ซ้อม simulated {at:%Y-%m-%d %H:%M}"

    console = Console(stderr=True)
    if not console.is_terminal:
        told = time.monotonic()

        def tell(now: float) -> None:
            nonlocal told
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                typer.echo(f"{name(now)}  {show_span(now)} of {show_span(seconds)}", err=True)

        yield tell
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(name(0.0), total=seconds)
        yield lambda now: progress.update(task, completed=now, description=name(now))


def _say(world: World, folder: Path | None) -> Iterator[str]:
    """What it came to, by the ledger."""
    from commands.books import Books
    from simulators.acts.duration import show
    from simulators.terminal.warning import warn_of_crowd

    books = Books(f"sqlite:///{world.ledger}")
    try:
        balance = books.balance()
    finally:
        books.close()
    yield (
        f"simulated {show(world.now)}: heard {balance.total('heard')}  "
        f"committed {balance.total('committed')}  late {balance.total('late')}  "
        f"missing {balance.total('missing')}  alarms open {balance.alarms_open}"
    )
    raised = Counter(f"P{alarm.priority} {alarm.rule}" for alarm in balance.newest)
    if raised:
        counts = ", ".join(f"{what} × {count}" for what, count in sorted(raised.items()))
        yield f"the newest alarms: {counts}"
    if crowd := warn_of_crowd(world.twin.transmissions, world.twin.unheard):
        yield crowd
    if folder is not None:
        yield f"ledger: {world.ledger}"
