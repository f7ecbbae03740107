"""`khaen scenario`: what happens at a simulated site, and whether what must come of it does."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from commands.scenario_outcome import Ran, show_table, to_json, to_junit
from commands.scenario_progress import Bar
from khaen.errors import NotRunnable, SettingsError

if TYPE_CHECKING:
    from simulators.acts.vocabulary import Act
    from simulators.scenario.judging import Line
    from simulators.scenario.loader import Loaded

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - scratch of one run, removed at its end
_INTERRUPTED: Final = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What happens at a simulated site, and whether what must come of it does.",
)
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Scenario files, or names of shipped ones.")
]


class _Stopped(Exception):
    """A signal ended a run before its time."""


@app.command()
def run(
    files: Files,
    real: Annotated[
        bool, typer.Option("--real", help="With real processes and sockets, in real time.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep all that is written in this new folder.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the outcome as JSON into this file.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write the outcome as JUnit's XML into this file.")
    ] = None,
) -> None:
    """Run scenarios and print what was expected and what was seen. Exit status 1 on a miss."""
    from khaen import log

    log.configure(level="ERROR", program="scenario")
    scenarios = [_load(file) for file in files]
    way = "real" if real else "inside"
    for file, loaded in zip(files, scenarios, strict=True):
        if way not in loaded.scenario.runs:
            raise SettingsError(f"{file}: cannot run {way}; its `runs` says how it can")
    for report in (json_file, junit):
        if report is not None:
            _check_writable(report)
    try:
        with _stopping() as stop:
            ran = [_run(loaded, way, keep, stop) for loaded in scenarios]
    except _Stopped:
        typer.echo("khaen: stopped before the end; nothing of it runs any more", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    if json_file is not None:
        _write(json_file, to_json(ran))
    if junit is not None:
        _write(junit, to_junit(ran))
    if any(each.missed for each in ran):
        raise typer.Exit(1)


@app.command()
def check(files: Files) -> None:
    """Check scenario files without running them. Exit status 2 when one is wrong."""
    for file in files:
        loaded = _load(file)
        typer.echo(
            f"{loaded.scenario.name}: {len(loaded.scenario.acts)} acts, "
            f"{len(loaded.scenario.expect)} expectations, runs {', '.join(loaded.scenario.runs)}"
        )


@app.command("list")
def list_shipped() -> None:
    """List the scenarios that come with Khaen."""
    from simulators.acts.duration import show
    from simulators.scenario.loader import load, shipped

    for file in shipped():
        scenario = load(file).scenario
        ways = ", ".join(scenario.runs)
        typer.echo(f"{scenario.name:24} {show(scenario.lasts):>8}  {ways:12}  {scenario.text.en}")


def _load(file: Path) -> Loaded:
    """A scenario by its file, or by the name of a shipped one. Raises SettingsError."""
    from khaen.site.check import suggest
    from simulators.scenario.loader import load, shipped

    if file.exists():
        return load(file)
    names = {each.stem: each for each in shipped()}
    if str(file) in names:
        return load(names[str(file)])
    near = suggest(file.stem, names, "none is near")
    raise SettingsError(
        f"{file}: there is no such file, and no scenario of this name comes with Khaen; {near} "
        "(see `khaen scenario list`)"
    )


def _run(loaded: Loaded, way: str, keep: Path | None, stop: threading.Event) -> Ran:
    """Raises _Stopped."""
    scenario = loaded.scenario
    if stop.is_set():
        raise _Stopped
    typer.echo(
        f"\n{scenario.name} (ซ้อม simulated, {way}): {scenario.text.th}  ·  {scenario.text.en}"
    )
    with _folder(keep, scenario.name) as folder:
        began = time.monotonic()
        lines = (_run_real if way == "real" else _run_inside)(loaded, folder, stop)
        ran = Ran(name=scenario.name, way=way, lines=lines, seconds=time.monotonic() - began)
    show_table(ran)
    return ran


def _run_real(loaded: Loaded, folder: Path, _stop: threading.Event) -> tuple[Line, ...]:
    from commands.rehearsal import run

    lines = run(loaded, folder, _tell)
    if lines is None:
        raise _Stopped
    return lines


def _run_inside(loaded: Loaded, folder: Path, stop: threading.Event) -> tuple[Line, ...]:
    from simulators.scenario.inside import run

    scenario = loaded.scenario
    with Bar(scenario.name, scenario.lasts + scenario.drains) as bar:

        def look(now: float) -> None:
            if stop.is_set():
                raise _Stopped
            bar.show(now)

        def tell(at: float, act: Act) -> None:
            bar.hide()
            _tell(at, act)

        return run(loaded, folder, tell, look)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by Ctrl-C and its like, for as long as it lasts."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    """Where a run writes: kept, or in memory and removed. Raises NotRunnable."""
    if keep is not None:
        folder = keep / name
        try:
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise NotRunnable(f"{folder}: {error.strerror}; name a new folder: --keep") from error
        yield folder
        return
    memory = _MEMORY if _MEMORY.is_dir() else None
    try:
        scratch = Path(tempfile.mkdtemp(prefix="khaen-scenario-", dir=memory))
    except OSError as error:
        raise NotRunnable(
            f"no scratch folder: {error.strerror}; free some space, or name a folder: --keep"
        ) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tell(at: float, act: Act) -> None:
    from simulators.acts.duration import show

    text = act.text()
    typer.echo(f"  {show(at):>8}  {text.th}  ·  {text.en}")


def _check_writable(file: Path) -> None:
    """Raise NotRunnable before the run, not after it; leaves no file that was not there."""
    try:
        there = file.exists()
        file.open("ab").close()
        if not there:
            file.unlink()
    except OSError as error:
        raise NotRunnable(f"{file}: {error.strerror}; name another file") from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotRunnable(f"{file}: {error.strerror}; name another file") from error
