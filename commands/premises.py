"""A simulated site of its own on this machine: its folder, its processes, who may come in."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from khaen.errors import NotRunnable

if TYPE_CHECKING:
    from deploy.local import LocalSite

T = TypeVar("T")


@contextmanager
def new_folder(wanted: Path | None, command: str) -> Iterator[Path]:
    """The folder of this run; a scratch one is removed in the end. Raises NotRunnable."""
    if wanted is None:
        try:
            scratch = Path(tempfile.mkdtemp(prefix=f"khaen-{command}-"))
        except OSError as error:
            raise NotRunnable(
                f"no scratch folder: {error.strerror}; free some disk, or name a folder: --data"
            ) from error
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        used = any(wanted.iterdir())
    except OSError as error:
        raise NotRunnable(f"{wanted}: {error.strerror}; name another folder: --data") from error
    if used:
        raise NotRunnable(
            f"{wanted}: is not empty; simulated devices begin to count anew with each run, so "
            "name a new folder: --data"
        )
    yield wanted


async def until_stopped(work: Coroutine[Any, Any, T]) -> T | None:
    """What work comes to; None when a signal ended it before."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.create_task(work, name="work")
    waiting = asyncio.create_task(stop.wait(), name="signal")
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait({working})
    if not working.cancelled() and (error := working.exception()) is not None:
        raise error
    return None


@asynccontextmanager
async def started(local: LocalSite) -> AsyncIterator[None]:
    """The site's processes, for as long as they are wanted."""
    try:
        await asyncio.to_thread(local.prepare)
        await asyncio.to_thread(local.apply)
        await asyncio.to_thread(_name_people, local)
        await local.start()
        yield
    finally:
        await local.stop()


def _name_people(local: LocalSite) -> None:
    """Give the made-up elders made-up names, where names belong: in the ledger only."""
    from simulators.sites.demonstration import nickname
    from store import people
    from store.database import Database

    database = Database(local.ledger_url)
    try:
        with database.write() as tx:
            for device in local.site.devices:
                if device.resident and device.resident.rpartition("-")[2].isdigit():
                    called = nickname(device.resident)
                    people.put(tx, people.Details(person=device.resident, nickname=called))
    finally:
        database.close()


def let_in(local: LocalSite) -> tuple[str, str]:
    """Two sign-in links: the administrator's, and that of a simulated carer."""
    from store import users
    from store.database import Database

    top = next(o.id for o in local.site.organisations if o.parent is None)
    database = Database(local.ledger_url)
    try:
        with database.write() as tx:
            administrator = users.administrator(tx)
            carer = users.create_user(tx, name="ผู้ดูแลจำลอง", organisation=top, role=users.OPERATOR)
            tokens = [users.make_sign_in_link(tx, user.id) for user in (administrator, carer)]
    finally:
        database.close()
    mine, carers = (f"{local.console_url}/sign-in?token={token}" for token in tokens)
    return mine, carers
