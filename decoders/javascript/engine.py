"""Vendors' codecs, asked in batches: an outcome for every request, whatever the codec does."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from decoders.javascript.codec import (
    LIMITS,
    STOPPED,
    Fault,
    Limits,
    Outcome,
    Request,
)
from decoders.javascript.pipe import POSTPONED, Job
from decoders.javascript.process import Process, WorkerGone
from decoders.javascript.quarantine import Quarantine
from khaen import log
from khaen.clock import Clock, SystemClock, to_micros

_log = log.logger()
_MOST_AT_ONCE = 256
_NO_VARIABLES = ""
_QUARANTINED = Outcome(errors=("the codec is in quarantine",), fault=Fault.QUARANTINED)


class _Batch:
    """Requests, the outcomes that they have so far, and the codecs that had to be stopped."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.outcomes: list[Outcome | None] = [None] * len(requests)
        self.stopped: set[str] = set()

    def waiting(self) -> list[int]:
        """Which have no outcome yet, those of stopped codecs last."""
        found = [index for index, outcome in enumerate(self.outcomes) if outcome is None]
        if self.stopped:
            found.sort(key=lambda index: self.requests[index].codec.id in self.stopped)
        return found


class Engine:
    """Keeps one worker process; any thread may ask, one at a time is served.

    The process starts with the first request and anew after it was killed.
    """

    def __init__(self, *, limits: Limits = LIMITS, clock: Clock | None = None) -> None:
        self._limits = limits
        self._clock = clock or SystemClock()
        self._quarantine = Quarantine()
        self._lock = threading.Lock()
        self._process: Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process now, not with the first request. Raises NotRunnable."""
        with self._lock:
            self._begin()

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return None if self._process is None else self._process.pid

    def quarantined(self) -> tuple[str, ...]:
        """The ids of the codecs that are left alone now."""
        with self._lock:
            return self._quarantine.held(self._clock.monotonic())

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def decode_batch(self, requests: Sequence[Request]) -> list[Outcome]:
        """An outcome for each request, in their order.

        Requests of one codec are served in their order, so each device's are. A codec that has to
        be stopped delays the others once; what else it has in the batch comes after theirs.
        Raises NotRunnable where no process can be started.
        """
        with self._lock:
            batch = _Batch(requests)
            while due := self._due(batch)[:_MOST_AT_ONCE]:
                self._ask(batch, due)
            return [outcome for outcome in batch.outcomes if outcome is not None]

    def _due(self, batch: _Batch) -> list[int]:
        """Which are to be asked; those in quarantine have their outcome then."""
        now = self._clock.monotonic()
        due = []
        for index in batch.waiting():
            if self._quarantine.holds(batch.requests[index].codec.id, now):
                batch.outcomes[index] = _QUARANTINED
            else:
                due.append(index)
        return due

    def _ask(self, batch: _Batch, due: Sequence[int]) -> None:
        asked = [batch.requests[index] for index in due]
        sources = {each.codec.digest: each.codec.source for each in asked}
        process = self._begin()
        answered = 0
        try:
            for text, elapsed_us in process.ask(sources, [_job(each) for each in asked]):
                if text != POSTPONED:
                    self._settle(batch, due[answered], read(text, elapsed_us))
                answered += 1
        except WorkerGone as error:
            self._end()
            how = f"its process was ended: {error}"
            self._settle(batch, due[answered], Outcome(errors=(how,), fault=Fault.KILLED))
        except BaseException:
            self._end()  # answers left on the pipe would be taken for those of the next batch
            raise

    def _settle(self, batch: _Batch, index: int, outcome: Outcome) -> None:
        batch.outcomes[index] = outcome
        if outcome.fault in STOPPED:
            codec = batch.requests[index].codec.id
            batch.stopped.add(codec)
            self._strike(codec, outcome.fault)

    def _strike(self, codec: str, fault: Fault) -> None:
        _log.warning("codec_stopped", codec=codec, fault=str(fault))
        if seconds := self._quarantine.strike(codec, self._clock.monotonic()):
            _log.error("codec_quarantined", codec=codec, seconds=seconds)

    def _begin(self) -> Process:
        if self._process is not None and self._process.ended:
            self._end()
        if self._process is None:
            self._process = Process(self._limits)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def read(text: str, elapsed_us: int) -> Outcome:
    """A worker's answer; whatever a codec made of it is an outcome, too."""
    try:
        said = json.loads(text)
        if "\\ud" in text:
            said = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
        data = said.get("data")
        fault = Fault(said["fault"]) if "fault" in said else None
        if data is None or isinstance(data, dict):
            return Outcome(
                data=data,
                errors=tuple(str(each) for each in said.get("errors", ())),
                warnings=tuple(str(each) for each in said.get("warnings", ())),
                fault=fault,
                elapsed_us=elapsed_us,
            )
    except RecursionError:
        why = "its object is too deep"
        return Outcome(errors=(why,), fault=Fault.OUTPUT, elapsed_us=elapsed_us)
    except (ValueError, TypeError, AttributeError):
        pass  # it changed how objects are rendered
    return Outcome(errors=("it answered no object",), fault=Fault.NONSENSE, elapsed_us=elapsed_us)


def _job(request: Request) -> Job:
    micros = to_micros(request.received_at)
    variables = request.variables
    return (
        request.codec.digest,
        request.payload.decode("latin-1"),
        request.f_port,
        float(micros // 1000),
        zlib.crc32(request.payload, micros & 0xFFFFFFFF) & 0x7FFFFFFF,
        json.dumps(dict(variables)) if variables else _NO_VARIABLES,
    )
