"""Faults of a message as it is sent: after its stamp, so that whoever reads it gets it broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from khaen.capture import Record
from simulators.faults.fault import Fault, Tally
from simulators.faults.faults import Faults

FaultsFrom = Callable[[datetime], Faults]
"""Makes the faults of a stream that begins then."""


class Damage:
    """Breaks what passes through it; nothing where there are no faults."""

    def __init__(self, faults: FaultsFrom | None = None) -> None:
        self._from = faults
        self._faults: Faults | None = None

    def __call__(self, record: Record) -> list[Record]:
        """The record as it arrives. Such faults hold nothing back and lose nothing."""
        if self._from is None:
            return [record]
        if self._faults is None:
            self._faults = self._from(record.at)
        return self._faults.apply(record)

    @property
    def tallies(self) -> Sequence[tuple[Fault, Tally]]:
        """What each fault did."""
        return () if self._faults is None else self._faults.tallies
