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


def _add(name: str, does: str) -> None:
    """Add the command of a module that is imported only when it runs."""

    @app.command(name=name, help=does, add_help_option=False, context_settings=_ON)
    def run(context: typer.Context) -> None:
        command = import_module(f"commands.{name}").app
        arguments = {"prog_name": f"khaen {name}", "standalone_mode": False}
        raise typer.Exit(command(context.args, **arguments) or 0)


for _name, _does in (
    ("demo", "Run a simulated site on this machine."),
    ("record", "Record all that passes a site's broker."),
    ("simulate", "Simulate a site without hardware, as radio or as events."),
    (
        "scenario",
        "Run scenarios: what happens at a simulated site, and whether what must come of it does.",
    ),
    ("replay", "Send recorded traffic again."),
    ("codecs", "Families of devices, and vendors' codecs among them."),
):
    _add(_name, _does)

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
