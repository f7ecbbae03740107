"""The outbox's writer without its thread: jobs are gathered and run in the loop, at their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from edge.outbox.outbox import Outbox
from edge.outbox.writer import Writer

T = TypeVar("T")


class InlineWriter(Writer):
    """Runs all that waits when the first of it is due. What is due at once is run before `submit`
    returns to the loop's next turn.
    """

    def __init__(self, outbox: Outbox, *, limit: int) -> None:
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(outbox, limit=limit)

    def _start(self) -> None:
        """No thread."""

    def submit(
        self, work: Callable[[], T], *, patience: float = 0.0, size: int = 1
    ) -> asyncio.Future[T]:
        """As the thread's, but that time is the loop's."""
        future = super().submit(work, patience=patience, size=size)
        due = self._loop.time() + patience
        if self._timer is None or due < self._timer.when():
            self._cancel()
            self._timer = self._loop.call_at(due, self._turn)
        return future

    async def close(self) -> None:
        """Do what was submitted, then close the outbox."""
        self._closing = True
        while self._jobs:
            self._turn()
        self._cancel()
        self.outbox.close()
        await asyncio.sleep(0)

    def _turn(self) -> None:
        self._cancel()
        group, self._jobs, self._waiting = self._jobs, [], 0
        if group:
            self._do(group)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
