"""`khaen audit`: the proof that nothing that a radio heard was lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.configured import CONFIG, Config, ledger, read

if TYPE_CHECKING:
    from store.accounts import AccountRow

app = typer.Typer(invoke_without_command=True, help="What was heard, and what became of it.")
_WIDTH = 120
_COUNTS = ("heard", "committed", "gone", "in_flight", "missing", "late")


@app.callback()
def audit(
    context: typer.Context,
    config: Config = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What was heard, and what became of it, per gateway and life of its outbox.

    Exit status 1 when anything is missing, or when two agents used one number.
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    with ledger(read(config)) as database, database.read() as connection:
        from store import accounts

        rows = accounts.audit(connection)
    if as_json:
        typer.echo(json.dumps(_document(rows), indent=2))
    else:
        _print(rows)
    if any(row.missing or row.conflict for row in rows):
        raise typer.Exit(1)


@app.command()
def close(
    context: typer.Context,
    gateway: Annotated[str, typer.Argument(help="EUI of the gateway.")],
    epoch: Annotated[str, typer.Argument(help="The epoch, as the audit shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the account.")],
) -> None:
    """End the account of an outbox that will never come back: its card died, for instance."""
    from khaen.errors import SettingsError
    from khaen.ids import parse_epoch, parse_gateway_eui

    try:
        key = parse_gateway_eui(gateway), parse_epoch(epoch)
    except ValueError as error:
        raise SettingsError(f"audit close: {error}") from error
    with ledger(read(context.obj)) as database, database.write() as tx:
        from store import accounts

        if key not in {(row.gateway_eui, row.epoch) for row in accounts.audit(tx.connection)}:
            raise SettingsError(f"audit close: there is no account of {gateway} {epoch}")
        given_up = accounts.close(tx, *key, reason)
    typer.echo(f"closed: {given_up} numbers will never come")


def _document(rows: Sequence[AccountRow]) -> dict[str, object]:
    totals = {name: sum(getattr(row, name) for row in rows) for name in _COUNTS}
    return {"accounts": [asdict(row) for row in rows], "totals": totals}


def _print(rows: Sequence[AccountRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("gateway", "epoch", box=None, header_style="bold", pad_edge=False)
    for name in (*_COUNTS, "last word"):
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("")
    for row in rows:
        style = "bold red" if row.missing or row.conflict else ""
        counts = [f"{getattr(row, name):,}" for name in _COUNTS]
        age = "never" if row.age_s is None else f"{row.age_s:.0f} s ago"
        table.add_row(row.gateway_eui, row.epoch, *counts, age, _remark(row), style=style)
    if rows:
        console = Console()
        console.width = max(console.width, _WIDTH)  # rather a line too long than an EUI cut short
        console.print(table)
    else:
        typer.echo("no gateway was heard yet")


def _remark(row: AccountRow) -> str:
    remarks = []
    if row.conflict:
        remarks.append("conflict: two agents use one outbox")
    if row.closed:
        remarks.append(f"closed: {row.closed_reason}")
    return "; ".join(remarks)
