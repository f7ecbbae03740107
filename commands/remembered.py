"""What `khaen simulate` keeps for its next run, and what a network server must be told before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from khaen.errors import SettingsError

if TYPE_CHECKING:
    from khaen.ids import DevEui
    from simulators.mac import JoinKeys, Memory

_EVERY_S: Final = 10.0
"""What a killed process forgets: a network server then refuses a frame or two of each device."""
_HEADER: Final = "dev_eui,join_eui,app_key"


def recall(path: Path | None) -> dict[DevEui, Memory]:
    """What devices remember from the run before. Raises SettingsError."""
    from simulators.devices.flash import read_memories

    if path is None:
        return {}
    try:
        return read_memories(path)
    except OSError as error:
        raise SettingsError(f"--memory {path}: {error.strerror}") from error


@asynccontextmanager
async def remembering(
    path: Path | None, look: Callable[[], Mapping[DevEui, Memory]]
) -> AsyncIterator[None]:
    """Keep what devices must not forget, now and then and in the end; others' are kept too.

    Raises SettingsError where it cannot be written.
    """
    if path is None:
        yield
        return
    others = recall(path)
    _keep(path, {**others, **look()})

    async def keep() -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            with suppress(SettingsError):  # a disk that is full now may not be in the end
                _keep(path, {**others, **look()})

    keeping = asyncio.create_task(keep(), name="memory")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        _keep(path, {**others, **look()})


def _keep(path: Path, memories: Mapping[DevEui, Memory]) -> None:
    from simulators.devices.flash import write_memories

    try:
        write_memories(path, memories)
    except OSError as error:
        raise SettingsError(f"--memory {path}: cannot be written: {error.strerror}") from error


def write_join_keys(path: Path, keys: Mapping[DevEui, JoinKeys]) -> None:
    """Write what devices join with, for the network server; only its owner may read the file.

    Raises SettingsError where no device joins, NotRunnable where it cannot be written.
    """
    from khaen.files import write_private

    if not keys:
        raise SettingsError("--join-keys: no device of this site joins; say --network-server too")
    rows = (f"{eui},{pair.join_eui},{pair.app_key.hex()}" for eui, pair in sorted(keys.items()))
    write_private(path, "\n".join((_HEADER, *rows, "")).encode("ascii"))
