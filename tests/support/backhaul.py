"""A link between an agent and its broker that a test can cut; it runs in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from simulators.link import Fault, Link


class Backhaul:
    """A `simulators.link.Link` for tests without an event loop."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._begun = threading.Event()
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name="backhaul")
        self._thread.start()
        assert self._begun.wait(10), "the link did not open"

    @property
    def port(self) -> int:
        """Where an agent shall connect."""
        assert self._link is not None
        return self._link.port

    def cut(self, fault: Fault) -> None:
        """Break it until `restore`."""
        assert self._link is not None
        self._do(self._link.cut(fault))

    def restore(self) -> None:
        """Let everything through again."""
        assert self._link is not None
        self._do(self._link.restore())

    def close(self) -> None:
        """Go away."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        async with Link(self._target) as self._link:
            self._begun.set()
            await self._ended.wait()


@contextmanager
def backhaul(target: tuple[str, int]) -> Iterator[Backhaul]:
    """A link to `target`, whole until it is cut."""
    link = Backhaul(target)
    try:
        yield link
    finally:
        link.close()
