"""Tasks that run beside a source for as long as it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from khaen import log

_log = log.logger()
_PAUSE_S: Final = 1.0

Part = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def running(parts: Mapping[str, Part]) -> AsyncIterator[None]:
    """Run `parts`, by name, until it is left. One that fails is logged and begins anew: a fault in
    one source must not end the others.
    """
    tasks = [asyncio.create_task(_endure(name, part), name=name) for name, part in parts.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _endure(name: str, part: Part) -> None:
    while True:
        try:
            await part()
        except Exception:  # noqa: BLE001 (the task's outermost border)
            _log.exception("source_task_failed", task=name)
        await asyncio.sleep(_PAUSE_S)
