"""`khaen`: the command line, a thin face over the rest.

Modules of commands import what they need inside their functions, so that `--help` is quick.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (a checkout is run by whatever python3 there is)
    sys.exit("khaen: needs Python 3.11 or newer; Debian 12 has it: apt-get install python3")

from importlib import import_module

import typer

from commands import audit, dashboards, ledger, programs, site, up
from khaen.errors import KhaenError

_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="khaen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Carries what LoRa sensors and wristbands say, from the radio to a person who acts.",
)
app.command(name="up")(up.up)


@app.command(name="demo", add_help_option=False, context_settings=_ON)
def demo(context: typer.Context) -> None:
    """Run a simulated site on this machine."""
    simulated = import_module("commands.demo").app
    raise typer.Exit(simulated(context.args, prog_name="khaen demo", standalone_mode=False) or 0)


@app.command(name="record", add_help_option=False, context_settings=_ON)
def record(context: typer.Context) -> None:
    """Record all that passes a site's broker."""
    recorded = import_module("commands.record").app
    raise typer.Exit(recorded(context.args, prog_name="khaen record", standalone_mode=False) or 0)


@app.command(name="simulate", add_help_option=False, context_settings=_ON)
def simulate(context: typer.Context) -> None:
    """Simulate a site without hardware, as radio or as events."""
    simulated = import_module("commands.simulate").app
    raise typer.Exit(
        simulated(context.args, prog_name="khaen simulate", standalone_mode=False) or 0
    )


@app.command(name="scenario", add_help_option=False, context_settings=_ON)
def scenario(context: typer.Context) -> None:
    """Run scenarios: what happens at a simulated site, and whether what must come of it does."""
    played = import_module("commands.scenario").app
    raise typer.Exit(played(context.args, prog_name="khaen scenario", standalone_mode=False) or 0)


@app.command(name="replay", add_help_option=False, context_settings=_ON)
def replay(context: typer.Context) -> None:
    """Send recorded traffic again."""
    replayed = import_module("commands.replay").app
    raise typer.Exit(replayed(context.args, prog_name="khaen replay", standalone_mode=False) or 0)


app.add_typer(site.app, name="site")
app.add_typer(audit.app, name="audit")
app.add_typer(programs.ingest, name="ingest")
app.add_typer(programs.alarms, name="alarms")
app.add_typer(programs.console, name="console")
app.add_typer(ledger.app, name="ledger")
app.add_typer(dashboards.app, name="dashboards")


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(installed("khaen"))


def main() -> None:
    """Run one command. What Khaen cannot do is one clear line each, and exit status 2."""
    try:
        app()
    except KhaenError as error:
        print(f"khaen: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
