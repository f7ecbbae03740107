"""What `khaen codecs` prints: tables, and a bar on a terminal while something takes long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from decoders.collection import Collection
from decoders.family import Decoder
from decoders.javascript import path as paths
from decoders.javascript.addition import Added
from decoders.javascript.checkout import How, Taken
from decoders.javascript.family import Family
from decoders.javascript.trials import Trial
from khaen.clock import format_time
from khaen.quantity import QUANTITIES
from khaen.reading import Decoded, Reading

T = TypeVar("T")
_WIDTH = 140
_MOST_LINES = 40


def print_families(collection: Collection) -> None:
    """All families, a row each, and what is wrong with codecs that are none."""
    table = _table("family", "by", "version", "maker and model", "calls", "quantities")
    for name in collection.names():
        family = collection.family(name)
        by = "codec" if collection.scripted(name) else "native"
        what = f"{family.maker} {family.model}"
        reads = str(len(family.quantities))
        table.add_row(name, by, str(family.version), escape(what), _calls(family), reads)
    _print(table)
    for why in collection.broken.values():
        typer.echo(f"no family: {why}", err=True)


def print_family(family: Decoder, scripted: Family | None) -> None:
    """All that is known of one family."""
    facts = {
        "family": family.id,
        "maker and model": f"{family.maker} {family.model}",
        "version": str(family.version),
        "calls": _calls(family),
        "ports sent first": ", ".join(map(str, sorted(family.priority_f_ports))),
        "expects an answer": "yes" if family.expects_answer else "",
        "read by": f"codec {scripted.codec.digest}" if scripted else "native",
        "source": scripted.mapping.source if scripted else "",
    }
    for name, fact in facts.items():
        if fact:
            typer.echo(f"{name}: {fact}")
    table = _table("quantity", "unit", "", "from")
    for name in sorted(family.quantities):
        quantity = QUANTITIES[name]
        table.add_row(name, escape(quantity.unit), quantity.en, escape(_sources(name, scripted)))
    _print(table)


def print_left_raw(keys: Counter[str]) -> None:
    """Keys that uplinks brought and no entry names, the most frequent first."""
    _lines("raw", [f"{key}, in {count} uplinks" for key, count in keys.most_common()])
    if not keys:
        typer.echo("its uplinks left nothing raw")


def print_decoded(decoded: Decoded) -> None:
    """Readings as a table, then events, warnings, and what stays raw."""
    table = _table("quantity", "channel", "value", "unit", "quality", "measured at", "key")
    for reading in decoded.readings:
        table.add_row(*_reading(reading))
    _print(table)
    for event in decoded.events:
        press = "" if event.press is None else f", press {event.press}"
        detail = "".join(f", {name} {value:g}" for name, value in sorted(event.detail.items()))
        at = "" if event.measured_at is None else f", at {format_time(event.measured_at)}"
        typer.echo(f"event: {event.kind}{press}{detail}{at}")
    for warning in decoded.warnings:
        where = "" if warning.offset is None else f" (at byte {warning.offset})"
        typer.echo(f"warning: {warning.text}{where}")
    for path, value in decoded.raw:
        typer.echo(f"raw: {path} = {value}")
    if decoded == Decoded():
        typer.echo("it says nothing")


def print_added(added: Added, folder: Path) -> None:
    """What was put where, and what its cases tell of it."""
    typer.echo(f"{added.name}, version {added.version}: in {folder}")
    passed = added.cases - len(added.failures)
    typer.echo(f"{passed} of {added.cases} cases pass" if added.cases else "it has no cases")
    _lines("case", added.failures)
    _lines("stays raw", added.unmapped)
    _lines("came in no case", added.absent)


def print_taken(found: Sequence[Taken], folder: Path) -> None:
    """What became of each codec of a checkout, and the sums."""
    table = _table("codec", "", "cases", "failed", "mapped", "")
    for each in found:
        style = "red" if each.how is How.REFUSED else ""
        counts = [str(count) if count else "" for count in (each.cases, each.failed, each.mapped)]
        table.add_row(each.name, each.how.value, *counts, escape(each.why), style=style)
    _print(table)
    for how in How:
        if count := sum(each.how is how for each in found):
            typer.echo(f"{count} {how.value}")
    typer.echo(f"in {folder}; look through a mapping, then: khaen codecs add {folder}/NAME.js")


def print_trials(found: Sequence[Trial]) -> bool:
    """What does not pass, and the sums; whether all passed."""
    for trial in found:
        if trial.unread:
            typer.echo(f"not read: {trial.unread}", err=True)
        for why in trial.failures:
            typer.echo(f"{trial.name}: {why}"[:_WIDTH])
    cases = sum(trial.cases for trial in found)
    failed = sum(len(trial.failures) for trial in found)
    unread = sum(bool(trial.unread) for trial in found)
    typer.echo(
        f"{len(found) - unread} codecs, {cases} cases: {cases - failed} pass, {failed} do not"
        + (f"; {unread} files could not be read" if unread else "")
    )
    return not failed and not unread


def with_bar(found: Iterable[T], total: int) -> list[T]:
    """All of it; on a terminal a bar shows how far it has come."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return list(found)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        return list(bar.track(found, total=total))


def _reading(reading: Reading) -> tuple[str, ...]:
    quantity = QUANTITIES[reading.quantity]
    measured = reading.measured_at
    return (
        reading.quantity,
        escape(reading.channel),
        f"{reading.value:.{quantity.precision}f}",
        escape(quantity.unit),
        reading.quality.value,
        "" if measured is None else format_time(measured),
        escape(reading.key),
    )


def _sources(quantity: str, scripted: Family | None) -> str:
    entries = scripted.mapping.readings if scripted else ()
    return ", ".join(paths.render(each.path) for each in entries if each.quantity == quantity)


def _calls(family: Decoder) -> str:
    calls = {"SOS": family.sos_capable, "fall": family.fall_capable}
    return ", ".join(call for call, capable in calls.items() if capable)


def _lines(head: str, lines: Sequence[str]) -> None:
    for line in islice(lines, _MOST_LINES):
        typer.echo(f"{head}: {line}"[:_WIDTH])
    if len(lines) > _MOST_LINES:
        typer.echo(f"{head}: {len(lines) - _MOST_LINES} more")


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _print(table: Table) -> None:
    if table.row_count:
        console = Console()
        console.width = max(console.width, _WIDTH)  # rather a line too long than an id cut short
        console.print(table)
