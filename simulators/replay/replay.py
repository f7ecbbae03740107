"""A recording, sent again record by record."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from khaen.capture import Record
from khaen.clock import Clock
from simulators.faults.fault import Fault
from simulators.faults.fault import Tally as FaultTally
from simulators.faults.faults import Faults
from simulators.replay.choice import Choice
from simulators.replay.damage import FaultsFrom
from simulators.replay.members import Members
from simulators.replay.recount import Recount
from simulators.replay.remap import Remap
from simulators.replay.sinks import Sink, is_publishable
from simulators.replay.skip import Skip
from simulators.replay.timeline import Timeline


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the records; `backwards` of them were older than the one before."""

    read: int = 0
    sent: int = 0
    backwards: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    at: datetime | None = None
    """The recorded time that was sent last."""
    faults: Sequence[tuple[Fault, FaultTally]] = ()


class Replay:
    """One replay; `run` once. `stop` ends it after the record at hand."""

    def __init__(
        self,
        recording: Iterable[Record],
        sink: Sink,
        timeline: Timeline,
        clock: Clock,
        *,
        choice: Choice | None = None,
        remap: Remap | None = None,
        members: Members | None = None,
        faults: FaultsFrom | None = None,
        passes: int = 1,
        recount: Recount | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.tally = Tally()
        self._recording, self._sink, self._timeline = recording, sink, timeline
        self._clock, self._choice, self._remap = clock, choice or Choice(), remap
        self._members = members
        self._faults_from, self._passes, self._recount = faults, passes, recount
        self._stop = stop or threading.Event()

    def run(self, look: Callable[[], None] = lambda: None) -> Tally:
        """Send everything; `look` is called now and then. Raises what the sink raises."""
        for number in range(self._passes):
            if number:
                self._timeline.restart()
            for record in self._faulty(self._chosen(number)):
                if not self._await_due(record, look):
                    return self.tally
                self._send(record)
                look()
        return self.tally

    def _chosen(self, number: int) -> Iterator[Record]:
        tally = self.tally
        before: datetime | None = None
        for record in self._recording:
            if self._stop.is_set():
                return
            tally.read += 1
            tally.backwards += before is not None and record.at < before
            before = record.at
            tally.first = min(tally.first or record.at, record.at)
            tally.last = max(tally.last or record.at, record.at)
            if not is_publishable(record.topic):
                tally.skipped["bad_topic"] += 1
                continue
            chosen = self._choice(record)
            if chosen is None:
                tally.skipped["not_chosen"] += 1
                continue
            try:
                ready = self._count_on(self._admitted(chosen), number)
            except Skip as skip:
                tally.skipped[skip.reason] += 1
            else:
                yield ready

    def _admitted(self, record: Record) -> Record:
        changed = record if self._remap is None else self._remap(record)
        return changed if self._members is None else self._members(changed)

    def _count_on(self, record: Record, number: int) -> Record:
        if self._recount is None or self._passes == 1:
            return record
        if number == 0:
            self._recount.note(record)
            return record
        return self._recount.move(record, number)

    def _faulty(self, records: Iterator[Record]) -> Iterator[Record]:
        if self._faults_from is None:
            yield from records
            return
        faults: Faults | None = None
        for record in records:
            if faults is None:
                faults = self._faults_from(record.at)
            yield from faults.apply(record)
        if faults is not None:
            yield from faults.flush()
            self.tally.faults = faults.tallies

    def _await_due(self, record: Record, look: Callable[[], None]) -> bool:
        """Wait until it is the record's turn; False where it shall end before."""
        while (wait := self._timeline.due(record)) > 0 and not self._stop.is_set():
            self._stop.wait(min(wait, 0.2))
            look()
        return not self._stop.is_set()

    def _send(self, record: Record) -> None:
        moved = self._timeline.mover(record, self._clock.now())
        try:
            self._sink.send(record, moved)
        except Skip as skip:
            self.tally.skipped[skip.reason] += 1
        else:
            self.tally.sent += 1
        self.tally.at = record.at
