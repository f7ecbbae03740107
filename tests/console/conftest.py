"""A furnished ledger, and consoles over it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from console.house import House
from khaen.clock import Clock, SystemClock
from store import migrate
from store.database import Database
from store.users import User
from tests.support.console import World, furnish, serve, sign_in


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A ledger on disk, migrated and furnished."""
    path = tmp_path / "ledger.sqlite"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    furnish(database)
    yield World(database, path)
    database.close()


@pytest.fixture
def enter(world: World) -> Iterator[Callable[..., httpx.Client]]:
    """`enter(user)`: a client of the console, signed in, or not without a user.

    Clients share one console per clock and public address.
    """
    with ExitStack() as stack:
        served: dict[tuple[Clock | None, str], str] = {}

        def open_console(
            user: User | None = None, *, clock: Clock | None = None, public_url: str = ""
        ) -> httpx.Client:
            key = (clock, public_url)
            if key not in served:
                house = House(world.database, clock or SystemClock())
                served[key] = stack.enter_context(serve(house, public_url=public_url))
            client = stack.enter_context(httpx.Client(base_url=served[key], timeout=20))
            if user is not None:
                sign_in(client, world.link(user))
            return client

        yield open_console
