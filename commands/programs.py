"""`khaen ingest|alarms|console`: the programs of a site, each run by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commands.configured import CONFIG, Config, ledger, read

if TYPE_CHECKING:
    from khaen.settings import Settings

ingest = typer.Typer(no_args_is_help=True, help="From the broker into the ledger.")
alarms = typer.Typer(no_args_is_help=True, help="Timers, escalation, calls to people.")
console = typer.Typer(no_args_is_help=True, help="The care centre's web console.")


@ingest.callback()
def _ingest() -> None:
    """From the broker into the ledger."""


@alarms.callback()
def _alarms() -> None:
    """Timers, escalation, calls to people."""


@ingest.command("run")
def run_ingest(config: Config = CONFIG) -> None:
    """Take messages from the broker, commit them, answer with receipts."""
    from ingest.program import run

    _run("ingest", run, config)


@alarms.command("run")
def run_alarms(config: Config = CONFIG) -> None:
    """Wake rules, run escalation plans, call people, watch the gateways."""
    from alarms.program import run

    _run("alarms", run, config)


@console.command("run")
def run_console(config: Config = CONFIG) -> None:
    """Serve the console."""
    from console.program import run

    _run("console", run, config)


@console.command("link")
def link(config: Config = CONFIG) -> None:
    """Print a sign-in link for the administrator. It works once, for 15 minutes."""
    settings = read(config)
    with ledger(settings) as database, database.write() as tx:
        from store import users

        token = users.make_sign_in_link(tx, users.administrator(tx).id)
    typer.echo(sign_in_url(settings, token))


def sign_in_url(settings: Settings, token: str) -> str:
    """Where a browser uses a sign-in link's token."""
    console = settings.console
    host = f"[{console.host}]" if ":" in console.host else console.host
    base = console.public_url.rstrip("/") or f"http://{host}:{console.port}"
    return f"{base}/sign-in?token={token}"


def _run(name: str, run: Callable[[Settings], None], config: Path) -> None:
    from khaen import log

    os.umask(0o077)  # readings and frames are people's: what we write is for nobody else
    settings = read(config)
    log.configure(level=settings.log_level, program=name)
    run(settings)
