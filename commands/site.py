"""`khaen site`: the site file, checked and applied."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.configured import CONFIG, Config, read

if TYPE_CHECKING:
    from khaen.site.check import Known
    from khaen.site.loader import Loaded
    from store.difference import Difference

app = typer.Typer(no_args_is_help=True, help="The site file, checked and applied.")
SiteFile = Annotated[Path, typer.Argument(help="The site file.")]
_SIGNS = {"added": "+", "returned": "+", "changed": "~", "retired": "-", "removed": "-"}
_MOST_LINES = 60


@app.callback()
def _site() -> None:
    """The site file, checked and applied."""


@app.command()
def check(file: SiteFile) -> None:
    """Say everything that is wrong with a site file: file, line, key and remedy of each."""
    site = load_site(file).site
    typer.echo(
        f"{file}: {len(site.organisations)} organisation(s), {len(site.places)} place(s), "
        f"{len(site.gateways)} gateway(s), {len(site.devices)} device(s): no errors"
    )


@app.command()
def apply(
    file: SiteFile,
    config: Config = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Show the difference only.")] = False,
) -> None:
    """Show how the ledger's registry differs from the site file, then write it."""
    from khaen.errors import SettingsError
    from store import registry
    from store.database import Database
    from store.migrate import upgrade

    loaded, settings = load_site(file), read(config)
    key, database = settings.ledger.key(), Database(settings.ledger.url)
    try:
        upgrade(database)
        with database.read() as connection:
            differences = registry.diff(connection, loaded.site, loaded.keys, key)
        print_differences(differences)
        if dry_run:
            return
        if not differences:  # nothing to ask; what a crash left unfinished is finished
            registry.apply(database, loaded.site, loaded.keys, key)
            return
        if not yes and not sys.stdin.isatty():
            raise SettingsError("site apply: nobody is there to ask; say --yes")
        if yes or typer.confirm("Apply?"):
            registry.apply(database, loaded.site, loaded.keys, key)
            typer.echo("applied")
        else:
            raise typer.Exit(1)
    finally:
        database.close()


@app.command()
def keys(file: SiteFile) -> None:
    """Make session keys for the ABP devices that have none, in the site's keys file."""
    from khaen.site import keys as keys_file
    from khaen.site.loader import read_keys

    site = load_site(file, with_keys=False).site
    path = site.keys_file
    if path is None:
        typer.echo("no ABP device: no keys are needed")
        return
    have = read_keys(file) if path.exists() else {}
    wanted = [d.dev_eui for d in site.devices if d.dev_addr and d.dev_eui not in have]
    if wanted:
        keys_file.write(path, {**have, **keys_file.generate(wanted)})
    typer.echo(f"{path}: keys made for {len(wanted)} device(s); {len(have)} had keys")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the site file, for editors."""
    from khaen.site.schema import render

    typer.echo(render(), nl=False)


def known(file: Path) -> Known:
    """What there is outside a site file; vendors' codecs stand in the folder beside it."""
    from alarms import engine
    from decoders.collection import Collection, beside
    from khaen import plugins
    from khaen.site.check import Known

    families = Collection(beside(file))
    return Known(
        families={name: families.family(name).expects_answer for name in families.names()},
        unusable=families.broken,
        rules={rule.id: frozenset(rule.defaults) for rule in engine.rules()},
        channels=frozenset(plugins.names("alarms.channels")),
    )


def load_site(file: Path, *, with_keys: bool = True) -> Loaded:
    """A site file that is right; its warnings are said on standard error. Raises SiteErrors."""
    from khaen.site.loader import load

    loaded = load(file, known(file), with_keys=with_keys)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    return loaded


def print_differences(differences: Sequence[Difference]) -> None:
    """One line for each difference; of very many, the rest as counts."""
    if not differences:
        typer.echo("the registry is as the site file says")
    for difference in differences[:_MOST_LINES]:
        fields = "".join(
            f"; {name}: {before} → {after}" for name, before, after in _shown(difference)
        )
        sign = _SIGNS[difference.change]
        typer.echo(f"{sign} {difference.kind} {difference.id} {difference.change}{fields}")
    rest = Counter((d.kind, d.change) for d in differences[_MOST_LINES:])
    for (kind, change), count in rest.items():
        typer.echo(f"{_SIGNS[change]} {count} more: {kind} {change}")


def _shown(difference: Difference) -> Sequence[tuple[str, object, object]]:
    """The fields that a person reads: not the documents of settings."""
    return () if difference.kind in ("site", "plan") else difference.fields
