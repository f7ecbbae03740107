"""Frames that were sent and are not receipted: who is due again, and when.

Times are seconds of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.settings import ForwardSettings
from khaen.receipt import EpochReceipt
from khaen.uplink import Number


@dataclass(slots=True, kw_only=True)
class Flight:
    """One frame on its way. `due` is None until the broker took it."""

    number: Number
    position: int
    priority: bool
    topic: str
    late: bool
    """Sent by the backlog."""
    tries: int = 1
    taken: float | None = None
    due: float | None = None


class Flights:
    """All frames on their way, with the clocks of docs/wire.md."""

    def __init__(self, settings: ForwardSettings) -> None:
        self._settings = settings
        self._flights: dict[Number, Flight] = {}
        self.late = 0
        """How many of them went by the backlog …"""
        self.late_ordinary = 0
        """… and how many of those have no priority."""

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, number: Number) -> bool:
        return number in self._flights

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._flights.values()))

    def get(self, number: Number) -> Flight | None:
        """The flight of a number."""
        return self._flights.get(number)

    def add(self, flight: Flight) -> None:
        """A frame was handed to the broker."""
        self.remove(flight.number)
        self._flights[flight.number] = flight
        self._count(flight, 1)

    def remove(self, number: Number) -> Flight | None:
        """A frame is settled, or will be found in the outbox again."""
        flight = self._flights.pop(number, None)
        if flight is not None:
            self._count(flight, -1)
        return flight

    def clear(self) -> None:
        """Forget all: the outbox decides anew."""
        self._flights.clear()
        self.late = self.late_ordinary = 0

    def _count(self, flight: Flight, by: int) -> None:
        if flight.late:
            self.late += by
            self.late_ordinary += 0 if flight.priority else by

    # -- clocks -------------------------------------------------------------

    def wait(self, flight: Flight) -> float:
        """Seconds from PUBACK to the next try: doubling with each."""
        s = self._settings
        first, most = (
            (s.resend_priority_s, s.resend_priority_max_s)
            if flight.priority
            else (s.resend_s, s.resend_max_s)
        )
        return float(min(most, first * 2.0 ** min(flight.tries - 1, 32)))

    def take(self, number: Number, now: float) -> None:
        """The broker took it: its clock starts."""
        flight = self._flights.get(number)
        if flight is not None:
            flight.taken = now
            flight.due = now + self.wait(flight)

    def refuse(self, number: Number, now: float) -> None:
        """The broker refused it: it is tried again by the same clock."""
        flight = self._flights.get(number)
        if flight is not None:
            flight.due = now + self.wait(flight)

    def reset(self, now: float) -> None:
        """A new connection of ingest: every clock starts again, none becomes later."""
        for flight in self._flights.values():
            flight.tries = 1
            if flight.due is not None:
                flight.due = min(flight.due, now + self.wait(flight))

    def obey(self, receipts: Iterable[EpochReceipt], now: float) -> int:
        """Drop what is settled and hasten what a gap shows missing; return how many settled."""
        by_epoch = {entry.epoch: entry for entry in receipts}
        settled = 0
        for flight in self:
            entry = by_epoch.get(flight.number.epoch)
            if entry is None:
                continue
            if entry.settles(flight.number.seq):
                self.remove(flight.number)
                settled += 1
            elif flight.number.seq <= entry.upto:
                self._hasten(flight, now)
        return settled

    def _hasten(self, flight: Flight, now: float) -> None:
        if flight.taken is not None and now - flight.taken >= self._settings.hasten_s:
            flight.due = now

    def due(self, now: float) -> list[Flight]:
        """Those whose time has come, priority first, then oldest first."""
        ready = [f for f in self._flights.values() if f.due is not None and f.due <= now]
        return sorted(ready, key=lambda f: (not f.priority, f.position))

    def next_due(self) -> float | None:
        """When the next one is due."""
        return min((f.due for f in self._flights.values() if f.due is not None), default=None)
