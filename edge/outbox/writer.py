"""The thread that owns the outbox: gathers jobs into groups, one transaction and one fsync each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from edge.outbox.outbox import Outbox
from khaen import log
from khaen.errors import StoreUnavailable

_log = log.logger()
T = TypeVar("T")
_MAX_GROUP = 512


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    deadline: float
    size: int


class Writer:
    """Runs jobs on `outbox`, and resolves their futures after the commit.

    `limit` bounds the sizes of all jobs that wait; more are refused with StoreUnavailable.
    """

    def __init__(self, outbox: Outbox, *, limit: int) -> None:
        self.outbox = outbox
        self._limit = limit
        self._jobs: list[_Job] = []
        self._waiting = 0
        self._wake = threading.Condition()
        self._closing = False
        self._deadline = float("inf")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="outbox")
        self._start()

    def _start(self) -> None:
        self._thread.start()

    def submit(
        self, work: Callable[[], T], *, patience: float = 0.0, size: int = 1
    ) -> asyncio.Future[T]:
        """Have `work` done within `patience` seconds; the future resolves once it is durable.

        `size` is how much it holds, in frames. What is larger than all that may wait is taken when
        nothing else waits. Raises StoreUnavailable.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        job = _Job(work, future, time.monotonic() + patience, size)
        with self._wake:
            if self._closing or (self._jobs and self._waiting + size > self._limit):
                raise StoreUnavailable("the outbox is busy")
            self._jobs.append(job)
            self._waiting += size
            sooner = job.deadline < self._deadline
            if sooner:
                self._deadline = job.deadline
            if sooner or len(self._jobs) == _MAX_GROUP:
                self._wake.notify()
        return future

    def post(
        self,
        work: Callable[[], Any],
        *,
        patience: float = 1.0,
        then: Callable[[], object] | None = None,
    ) -> None:
        """Have `work` done when nobody waits for it, and `then` called in the loop afterwards.

        Raises StoreUnavailable like `submit`.
        """
        future = self.submit(work, patience=patience)
        future.add_done_callback(_report)
        if then is not None:
            future.add_done_callback(lambda _: then())

    async def close(self) -> None:
        """Do what was submitted, then end the thread and close the outbox."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # the last results are on their way to this loop

    def _run(self) -> None:
        while group := self._gather():
            self._do(group)
        self.outbox.close()

    def _do(self, group: list[_Job]) -> None:
        try:
            results = self.outbox.run([job.work for job in group])
        except Exception as error:  # noqa: BLE001 (the thread's outermost border)
            if len(group) > 1:
                for job in group:  # so that it costs the job in which it lies, and no other
                    self._do([job])
            else:
                self._loop.call_soon_threadsafe(_fail, group[0], error)
        else:
            self._loop.call_soon_threadsafe(_resolve, group, results)

    def _gather(self) -> list[_Job]:
        """Wait until the first deadline of what is there; empty when all is done."""
        with self._wake:
            while not self._closing and len(self._jobs) < _MAX_GROUP:
                wait = self._deadline - time.monotonic()
                if self._jobs and wait <= 0:
                    break
                self._wake.wait(wait if self._jobs else None)
            group, self._jobs = self._jobs[:_MAX_GROUP], self._jobs[_MAX_GROUP:]
            self._waiting -= sum(job.size for job in group)
            self._deadline = min((job.deadline for job in self._jobs), default=float("inf"))
            return group


def _resolve(group: list[_Job], results: list[Any]) -> None:
    for job, result in zip(group, results, strict=True):
        if not job.future.done():
            job.future.set_result(result)


def _fail(job: _Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)


def _report(future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _log.error("outbox_job_failed", exc_info=error)
