"""The process in which vendors' codecs run: `python -m decoders.javascript.worker LIMITS`.

It reads messages of work on standard input and answers each job on standard output, in order. It
has no environment and may open no file, and the kernel ends it when a job has used `kill_s` of its
time: nothing that a codec does can put that off.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections import OrderedDict
from typing import Any

from decoders.javascript import pipe
from decoders.javascript.codec import STOPPED, Fault, Limits
from decoders.javascript.context import Context, Stopped, refuse
from decoders.javascript.pipe import POSTPONED, Job


class Contexts:
    """The codecs that are ready, the longest unused first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sources: dict[str, str] = {}
        self._alone: set[str] = set()
        self._ready: OrderedDict[str, Context | str] = OrderedDict()
        self.stopped: set[str] = set()
        """What had to be stopped in this message: the rest of it goes first."""

    def learn(self, sources: dict[str, str]) -> None:
        """Keep sources by their digests; nothing is compiled yet."""
        self._sources |= sources

    def answer(self, job: Job) -> str:
        """What the codec says, or why it says nothing; POSTPONED where it was stopped before."""
        digest = job[0]
        if digest in self.stopped:
            return POSTPONED
        ready = self._ready.pop(digest, None)
        if isinstance(ready, str):
            self._keep(digest, ready)
            return ready
        try:
            return self._run(ready or self._load(digest), job)
        except Stopped as stopped:
            # What earlier frames left behind may have filled a context: not this one's fault.
            if ready is None or stopped.fault is not Fault.MEMORY:
                return self._refuse(digest, stopped)
        try:
            return self._run(self._load(digest), job)
        except Stopped as stopped:
            return self._refuse(digest, stopped)

    def _run(self, context: Context, job: Job) -> str:
        answer = context.run(*job[1:])
        if context.reusable:
            self._keep(job[0], context)
        return answer

    def _load(self, digest: str) -> Context:
        source = self._sources[digest]
        if digest not in self._alone:
            context = Context(source, self._limits)
            if context.reusable:
                return context
            self._alone.add(digest)
        return Context(source, self._limits, alone=True)

    def _refuse(self, digest: str, stopped: Stopped) -> str:
        text = refuse(stopped.fault, str(stopped))
        if stopped.fault is Fault.LOAD:
            self._keep(digest, text)
        elif stopped.fault in STOPPED:
            self.stopped.add(digest)
        return text

    def _keep(self, digest: str, found: Context | str) -> None:
        self._ready[digest] = found
        if len(self._ready) > self._limits.contexts:
            self._ready.popitem(last=False)


def restrict(limits: Limits) -> None:
    """Give up what codecs do not need, before any of them runs."""
    for name, most in (
        (resource.RLIMIT_AS, limits.process_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(name, (most, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one at the terminal is for our parent
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})


def serve(limits: Limits) -> None:
    """Answer until the input ends."""
    contexts = Contexts(limits)
    answers = sys.stdout.fileno()
    pipe.write(answers, pipe.pack("ready"))
    while (message := pipe.read(sys.stdin.fileno())) is not None:
        work: dict[str, Any] = json.loads(message[0])
        contexts.learn(work["sources"])
        contexts.stopped.clear()
        for job in work["jobs"]:
            signal.setitimer(signal.ITIMER_PROF, limits.kill_s)
            began = time.perf_counter_ns()
            answer = contexts.answer(job)
            elapsed_us = (time.perf_counter_ns() - began) // 1000
            pipe.write(answers, pipe.pack(answer, elapsed_us))
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> int:
    """Return the exit status: 0 where the parent closed its end or went away."""
    limits = Limits(**json.loads(sys.argv[1]))
    restrict(limits)
    try:
        serve(limits)
    except (BrokenPipeError, MemoryError):
        os._exit(1)  # who asked is gone, or there is no memory to say so
    return 0


if __name__ == "__main__":
    sys.exit(main())
