"""What most commands begin with: the settings, and the ledger that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from khaen.errors import NotRunnable

if TYPE_CHECKING:
    from khaen.settings import Settings
    from store.database import Database

DATA = Path("/var/lib/khaen")
Config = Annotated[
    Path,
    typer.Option(help="The settings; `khaen up` writes them into its data directory."),
]
CONFIG = DATA / "khaen.toml"


def read(config: Path) -> Settings:
    """The settings of a file. Raises SettingsError."""
    from khaen.settings import Settings, load

    return load(Settings, config)


@contextmanager
def ledger(settings: Settings) -> Iterator[Database]:
    """The ledger that the settings name. Raises NotRunnable where there is none yet."""
    from store.database import Database

    database = Database(settings.ledger.url)
    try:
        if not database.path.exists():
            raise NotRunnable(
                f"ledger.url: there is no ledger {database.path}; "
                "`khaen up` or `khaen ledger init` makes it"
            )
        yield database
    finally:
        database.close()
