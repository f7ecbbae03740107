"""`khaen dashboards`: what Grafana shows of a site, generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Grafana dashboards, generated from the site file.")


@app.callback()
def dashboards() -> None:
    """Grafana dashboards, generated from the site file."""


@app.command()
def render(
    site: Annotated[Path, typer.Option(help="The site file.")],
    out: Annotated[Path, typer.Option(help="Where provisioning/ and dashboards/ are written.")],
    url: Annotated[str, typer.Option(help="InfluxDB as Grafana reaches it.")] = (
        "http://127.0.0.1:8086"
    ),
    database: Annotated[str, typer.Option(help="The database of the series.")] = "khaen",
    user: Annotated[str, typer.Option(help="Its user, where it wants one.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="The user's password, in a file that Grafana may read.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where Grafana finds dashboards/.")] = Path(
        "/var/lib/grafana/khaen"
    ),
) -> None:
    """Write Grafana's dashboards and provisioning."""
    from dashboards.files import render_all, write
    from dashboards.provisioning import Series
    from khaen.site.loader import load

    series = Series(
        url=url, database=database, user=user, password_file=password_file, folder=folder
    )
    loaded = load(site, with_keys=False)
    for warning in loaded.warnings:
        typer.echo(warning, err=True)
    files = render_all(loaded.site, series)
    write(files, out)
    for path in files:
        typer.echo(out / path)


if __name__ == "__main__":
    app()
