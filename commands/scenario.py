"""`khaen scenario`: what happens at a simulated site, and whether what must come of it does."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from xml.etree import ElementTree as ET

import typer

from khaen.errors import NotRunnable, SettingsError

if TYPE_CHECKING:
    from simulators.acts.vocabulary import Act
    from simulators.scenario.judging import Line
    from simulators.scenario.loader import Loaded

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - scratch of one run, removed at its end
_WIDTH: Final = 110

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What happens at a simulated site, and whether what must come of it does.",
)
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Scenario files, or names of shipped ones.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One scenario that was run, and how long that took."""

    name: str
    way: str
    lines: Sequence[Line]
    seconds: float

    @property
    def missed(self) -> int:
        """How many expectations were not met."""
        return sum(not line.met for line in self.lines)


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
    ran = [_run(loaded, way, keep) for loaded in scenarios]
    if json_file is not None:
        _write(json_file, json.dumps([_document(each) for each in ran], indent=2) + "\n")
    if junit is not None:
        _write(junit, _junit(ran))
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
    """A scenario by its file, or by the name of a shipped one."""
    from simulators.scenario.loader import load, shipped

    if not file.exists():
        for each in shipped():
            if each.stem == str(file):
                return load(each)
    return load(file)


def _run(loaded: Loaded, way: str, keep: Path | None) -> Ran:
    scenario = loaded.scenario
    typer.echo(f"\n{scenario.name} ({way}): {scenario.text.th}  ·  {scenario.text.en}")
    with _folder(keep, scenario.name) as folder:
        began = time.monotonic()
        lines = _runner(way)(loaded, folder, _tell)
        ran = Ran(name=scenario.name, way=way, lines=lines, seconds=time.monotonic() - began)
    _print(ran)
    return ran


def _runner(way: str) -> Callable[[Loaded, Path, Callable[[float, Act], None]], tuple[Line, ...]]:
    if way == "real":
        from commands.rehearsal import run as rehearse

        return rehearse
    from simulators.scenario.inside import run as run_inside

    return run_inside


@contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    """Where a run writes: kept, or in memory and removed. Raises NotRunnable."""
    if keep is not None:
        folder = keep / name
        try:
            folder.mkdir(parents=True)
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


def _print(ran: Ran) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from simulators.acts.duration import show

    table = Table("", "expected", "seen", "after", box=None, header_style="bold", pad_edge=False)
    for line in ran.lines:
        style = "" if line.met else "bold red"
        table.add_row(
            Text("✓" if line.met else "✗"),
            Text(line.expectation.words()),
            Text(line.seen),
            Text("" if line.after_s is None else show(line.after_s)),
            style=style,
        )
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table)
    outcome = f"{ran.missed} not as expected" if ran.missed else "all as expected"
    typer.echo(f"{ran.name}: {outcome}, in {ran.seconds:.1f} s")


def _document(ran: Ran) -> dict[str, Any]:
    return {
        "name": ran.name,
        "way": ran.way,
        "met": not ran.missed,
        "seconds": round(ran.seconds, 3),
        "expectations": [
            {
                "expected": line.expectation.words(),
                "seen": line.seen,
                "after_s": line.after_s,
                "met": line.met,
            }
            for line in ran.lines
        ],
    }


def _junit(ran: Sequence[Ran]) -> str:
    """As most build servers read it: a suite for each scenario, a case for each expectation."""
    root = ET.Element("testsuites")
    for each in ran:
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{each.name} ({each.way})",
            tests=str(len(each.lines)),
            failures=str(each.missed),
            time=f"{each.seconds:.3f}",
        )
        for line in each.lines:
            case = ET.SubElement(
                suite, "testcase", classname=each.name, name=line.expectation.words()
            )
            if not line.met:
                ET.SubElement(case, "failure", message=line.seen)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotRunnable(f"{file}: {error.strerror}; name another file") from error
