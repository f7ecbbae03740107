"""`khaen demo`: a simulated site on this machine, from the radio to the screen."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from khaen.errors import NotRunnable

if TYPE_CHECKING:
    from commands.demonstration import Outcome, Stage
    from commands.screen import Screen
    from deploy.local import LocalSite, Options

CONSOLE_PORT: Final = 8080
QUICK_PATIENCE_S: Final = 2.5
"""With `--for` nobody sits there: the simulated carer takes a case after so many seconds …"""
PATIENCE_S: Final = 20.0
"""… else a person has so long to be first."""
SHORTEST_S: Final = 6.0
_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line."""

    seconds: float | None
    report: Path | None
    seed: int
    port: int | None
    broker: str
    data: Path | None


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=SHORTEST_S, help="Run for so many seconds, then report and end."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write counts and latencies as JSON into this file.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed makes the same site and the same frames.")
    ] = 1,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The console's port; without it 8080 if it is free."),
    ] = None,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or amqtt.")] = "auto",
    data: Annotated[
        Path | None,
        typer.Option(help="Keep all that it writes in this new folder; without it, nothing stays."),
    ] = None,
) -> None:
    """Run a simulated site on this machine: Khon Kaen, 40 elders, 3 gateways; Ctrl-C ends it."""
    from commands.premises import new_folder, until_stopped

    wishes = Wishes(seconds=seconds, report=report, seed=seed, port=port, broker=broker, data=data)
    with new_folder(data, "demo") as folder:
        status = asyncio.run(until_stopped(_run(wishes, folder)))
    if status is None:
        status = 0 if seconds is None else _INTERRUPTED
    raise typer.Exit(status)


async def _run(wishes: Wishes, folder: Path) -> int:
    from commands.demonstration import Backhauls, Stage
    from commands.premises import started
    from commands.screen import Screen
    from deploy.broker import choose
    from deploy.local import LocalSite
    from simulators.sites.demonstration import make_site, write_site

    made = make_site(wishes.seed)
    try:
        (folder / "site").mkdir()
        file = write_site(made, folder / "site")
        if wishes.report is not None:
            wishes.report.touch()
    except OSError as error:
        raise NotRunnable(
            f"{error.filename}: {error.strerror}; free some disk, or name another place"
        ) from error
    screen = Screen({gateway.eui: gateway for gateway in made.site.gateways})
    async with Backhauls() as backhauls:
        local = LocalSite(
            made.site,
            made.keys,
            folder / "data",
            _options(wishes),
            say=screen.say,
            broker_of=backhauls.lay,
        )
        patience = PATIENCE_S if wishes.seconds is None else QUICK_PATIENCE_S
        stage = Stage(made, local, backhauls, screen, patience=patience)
        screen.say(f"ซ้อม: ไม่มีใครถูกตามจริง  ·  simulated, nobody is paged: {file}")
        async with started(local):
            outcome = await _play(local, stage, screen, wishes)
    document = _report(outcome, wishes, choose(wishes.broker))
    if wishes.report is not None:
        wishes.report.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for failure in outcome.failures:
        screen.say(f"✗ {failure}")
    if not outcome.failures:
        screen.say("✓ ไม่มีข้อมูลหาย  ·  nothing was lost")
    return 1 if outcome.failures else 0


async def _play(local: LocalSite, stage: Stage, screen: Screen, wishes: Wishes) -> Outcome:
    """Let a person and the simulated carer in, and play."""
    from commands.books import Books
    from commands.premises import let_in
    from simulators.carer import Carer

    mine, carers = await asyncio.to_thread(let_in, local)
    how = mine if sys.stdout.isatty() else f"khaen console link --config {local.settings_file}"
    screen.say(f"{'sign in, once':<22} {how}")
    books = Books(local.ledger_url)
    try:
        async with Carer(carers, monotonic=time.monotonic) as carer:
            with screen:
                return await stage.run(carer, books, wishes.seconds)
    finally:
        books.close()


def _options(wishes: Wishes) -> Options:
    from deploy.local import Options
    from deploy.ports import ANY

    ports = (
        replace(ANY, console=CONSOLE_PORT, console_yields=True)
        if wishes.port is None
        else replace(ANY, console=wishes.port)
    )
    return Options(
        ports=ports,
        broker=wishes.broker,
        log_level="WARNING",
    )


def _report(outcome: Outcome, wishes: Wishes, broker: str) -> dict[str, Any]:
    """Counts and latencies, for machines; times in milliseconds."""
    names = ("heard", "committed", "gone", "missing", "late")
    balance = outcome.balance
    return {
        "gateways": {
            eui: {name: getattr(sums, name) for name in names}
            for eui, sums in sorted(balance.gateways.items())
        },
        "totals": {name: balance.total(name) for name in names},
        "latency_ms": {"sos": _percentiles(outcome.latencies)},
        "simulator": {
            eui: {
                "sent": tally.sent,
                "acked": tally.acked,
                "committed": balance.of(eui).lorawan,
            }
            for eui, tally in sorted(outcome.tallies.items())
        },
        "lost": outcome.lost,
        "alarms_open": balance.alarms_open,
        "story": outcome.story.report(),
        "failures": list(outcome.failures),
        "seed": wishes.seed,
        "broker": broker,
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """Median and 99th percentile by the nearest rank, in milliseconds; None without a sample."""
    if not seconds:
        return {"p50": None, "p99": None}
    ranked = sorted(seconds)

    def at(share: float) -> float:
        return round(1000 * ranked[max(0, math.ceil(share * len(ranked)) - 1)], 1)

    return {"p50": at(0.50), "p99": at(0.99)}
