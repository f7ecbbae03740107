"""Readings into the embedded series, in the journal's order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from khaen import log
from khaen.backoff import Backoff
from khaen.clock import to_micros
from khaen.errors import StoreUnavailable
from khaen.reading import Quality
from store import document, journal, migrate
from store.database import Database
from store.journal import Kind
from store.series import Point, Series, Tags
from store.told import DecodedRow, decoded

_log = log.logger()
_BATCH = 1000
_WAIT_S = 0.25
_TOLD = frozenset({Kind.ADMITTED, Kind.DECODED, Kind.REDECODED})


class SeriesProjection:
    """Follows the ledger in a thread of its own; what it cannot write now it writes later."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database, self._path = database, path
        self._stop = threading.Event()
        self._backoff = Backoff(base=0.1, cap=10.0)
        self.lag = 0
        """Journal entries not yet seen."""
        self._thread = threading.Thread(target=self._run, name="series")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                series = Series(self._path)
                try:
                    self._follow(series)
                finally:
                    series.close()
            except StoreUnavailable as error:
                _log.warning("series_unavailable", error=str(error))
                self._stop.wait(self._backoff.next())

    def _follow(self, series: Series) -> None:
        with self._database.read() as connection:
            ledger = migrate.ledger_id(connection)
        position = series.position(ledger)
        if position == 0:
            series.clear()
        while not self._stop.is_set():
            if self._database.wait(position, _WAIT_S):
                position = self.step(series, ledger, position)

    def step(self, series: Series, ledger: str, position: int) -> int:
        """Take the next entries over; the position afterwards."""
        with self._database.read() as connection:
            entries = journal.read(connection, position, _BATCH)
            self.lag = journal.head(connection) - position - len(entries)
            ids = [UUID(entry.ref) for entry in entries if entry.kind in _TOLD]
            rows = decoded(connection, ids)
        if not entries:
            return position
        position = entries[-1].position
        series.put(ledger, position, [point for row in rows for point in _points(row)])
        self._backoff.reset()
        return position


def _points(row: DecodedRow) -> Iterator[tuple[Tags, Point]]:
    for reading in document.parse(row.decoded).readings:
        if reading.value != reading.value:  # no number
            continue
        measured = reading.measured_at
        yield (
            Tags(
                reading.quantity,
                row.dev_eui,
                reading.channel,
                row.subject,
                row.organisation,
                row.place or "",
                row.family,
            ),
            Point(
                row.received_at if measured is None else to_micros(measured),
                reading.value,
                reading.quality is not Quality.GOOD,
            ),
        )
