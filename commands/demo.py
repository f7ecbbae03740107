"""`khaen demo`: a simulated site on this machine, from the radio to the screen."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
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
    wishes = Wishes(seconds=seconds, report=report, seed=seed, port=port, broker=broker, data=data)
    with _folder(data) as folder:
        raise typer.Exit(asyncio.run(_until_stopped(wishes, folder)))


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """The folder of this run; a scratch one is removed in the end. Raises NotRunnable."""
    if wanted is None:
        try:
            scratch = Path(tempfile.mkdtemp(prefix="khaen-demo-"))
        except OSError as error:
            raise NotRunnable(
                f"no scratch folder: {error.strerror}; free some disk, or name a folder: --data"
            ) from error
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        used = any(wanted.iterdir())
    except OSError as error:
        raise NotRunnable(f"{wanted}: {error.strerror}; name another folder: --data") from error
    if used:
        raise NotRunnable(
            f"{wanted}: is not empty; simulated devices begin to count anew with each run, so "
            "name a new folder: --data"
        )
    yield wanted


async def _until_stopped(wishes: Wishes, folder: Path) -> int:
    """Run until it is over or a signal comes; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_run(wishes, folder), name="demo")
    waiting = asyncio.create_task(stop.wait(), name="signal")
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if work.done():
        return work.result()
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled() and (error := work.exception()) is not None:
        raise error
    return 0 if wishes.seconds is None else _INTERRUPTED


async def _run(wishes: Wishes, folder: Path) -> int:
    from commands.demonstration import Backhauls, Stage
    from commands.screen import Screen
    from deploy.broker import choose
    from deploy.local import LocalSite
    from simulators.site import make_site, write_site

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
        async with _started(local):
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
    from simulators.carer import Carer

    mine, carers = await asyncio.to_thread(_let_in, local)
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


@asynccontextmanager
async def _started(local: LocalSite) -> AsyncIterator[None]:
    """The site's processes, for as long as they are wanted."""
    try:
        await asyncio.to_thread(local.prepare)
        await asyncio.to_thread(local.apply)
        await asyncio.to_thread(_name_people, local)
        await local.start()
        yield
    finally:
        await local.stop()


def _name_people(local: LocalSite) -> None:
    """Give the made-up elders made-up names, where names belong: in the ledger only."""
    from simulators.site import nickname
    from store import people
    from store.database import Database

    database = Database(local.ledger_url)
    try:
        with database.write() as tx:
            for device in local.site.devices:
                if device.resident is not None:
                    called = nickname(device.resident)
                    people.put(tx, people.Details(person=device.resident, nickname=called))
    finally:
        database.close()


def _let_in(local: LocalSite) -> tuple[str, str]:
    """Two sign-in links: the administrator's, and that of a simulated carer."""
    from store import users
    from store.database import Database

    top = next(o.id for o in local.site.organisations if o.parent is None)
    database = Database(local.ledger_url)
    try:
        with database.write() as tx:
            administrator = users.administrator(tx)
            carer = users.create_user(tx, name="ผู้ดูแลจำลอง", organisation=top, role=users.OPERATOR)
            tokens = [users.make_sign_in_link(tx, user.id) for user in (administrator, carer)]
    finally:
        database.close()
    mine, carers = (f"{local.console_url}/sign-in?token={token}" for token in tokens)
    return mine, carers


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
