"""`khaen ledger`: the database that holds the truth."""

from __future__ import annotations

import typer

from commands.configured import CONFIG, Config, read

app = typer.Typer(no_args_is_help=True, help="The database that holds the truth.")


@app.callback()
def _ledger() -> None:
    """The database that holds the truth."""


@app.command()
def init(config: Config = CONFIG) -> None:
    """Make the ledger and its key, or bring a ledger to the present shape."""
    from deploy.keys import ledger_key
    from store.database import Database
    from store.migrate import upgrade

    settings = read(config)
    database = Database(settings.ledger.url)
    try:
        ledger_key(settings.ledger.key_file, database.path)
        upgrade(database)
    finally:
        database.close()
    typer.echo(f"{database.path} is ready; its key is {settings.ledger.key_file}")
