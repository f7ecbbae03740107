"""What a frame costs the gateway's card, its whole life long: bytes handed to the disk.

Stored by itself, receipted, named in the status, forgotten after its time; in virtual time, on a
real disk. Kilobytes are 1,000 bytes, as the kernel counts them for this process (write_bytes).
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.edge import GATEWAY, make_arrival, read_written
from edge.dating import Dating
from edge.host import Host
from edge.outbox.bounds import Bounds
from edge.outbox.outbox import Outbox
from khaen.clock import ManualClock, SystemClock
from khaen.receipt import EpochReceipt, Receipt
from khaen.uplink import Origin

ROUNDS: Final = 3
HOLD_S: Final = 900.0
GATHERED_S: Final = 600.0
RECEIPT_S: Final = 0.2
"""Between two receipts, at least (docs/wire.md)."""
STATUS_S, HOUSE_S, BEAT_S = 30.0, 60.0, 60.0
LIVES: Final = {0.1: 1_000, 1.0: 5_000, 10.0: 20_000}
"""Frames to store, by how many come in a second."""


class Life:
    """An outbox in virtual time."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(SystemClock().now())
        host = Host()
        self.dating = Dating(self.clock, host, trust=True)
        self.outbox = Outbox(
            folder / "outbox.sqlite",
            gateway=GATEWAY,
            origin=Origin.SIMULATED,
            clock=self.clock,
            host=host,
            dating=self.dating,
            bounds=Bounds(hold_s=HOLD_S, quota=1 << 30, keep_free=0, max_age_s=1e7),
        )
        self._due = {self._tell: STATUS_S, self._keep_house: HOUSE_S, self._hear: BEAT_S}
        self._receipted = 0.0

    def go_on(self, seconds: float) -> None:
        """Hear a frame, let time pass, and do what is due in it."""
        self._hear()
        self.clock.advance(seconds)
        now = self.clock.monotonic()
        if now - self._receipted >= RECEIPT_S:
            self._receipted = now
            self._receipt()
        for task, due in self._due.items():
            if now >= due:
                self._due[task] = now + (STATUS_S if task == self._tell else HOUSE_S)
                task()

    def _hear(self) -> None:
        arrival = make_arrival(self.dating, priority=False)
        self.last = self.outbox.run([partial(self.outbox.append, [arrival])])[0].records[-1].number

    def _receipt(self) -> None:
        entry = EpochReceipt(epoch=self.last.epoch, watermark=self.last.seq, upto=self.last.seq)
        now = self.clock.now()
        receipt = Receipt(site="bench", ledger="one", since=now, at=now, epochs=(entry,))
        self.outbox.run([partial(self.outbox.obey, receipt)])

    def _tell(self) -> None:
        self.outbox.run([self.outbox.count])

    def _keep_house(self) -> None:
        while self.outbox.run([self.outbox.prune])[0]:
            pass

    def end(self) -> None:
        """Let all of it be receipted and forgotten."""
        self._receipt()
        self._keep_house()
        self.clock.advance(HOLD_S + GATHERED_S + 1)
        self._keep_house()
        self.outbox.close()


def measure(rate: float) -> float:
    """Bytes for each frame that comes, heartbeats and all."""
    with tempfile.TemporaryDirectory(prefix="khaen-bench-") as folder:
        life, written = Life(Path(folder)), read_written()
        for _ in range(LIVES[rate]):
            life.go_on(1 / rate)
        life.end()
        return (read_written() - written) / LIVES[rate]


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for rate in LIVES:
        size = statistics.median(measure(rate) for _ in range(ROUNDS))
        print(
            f"{rate:4} frames/s: {size / 1000:5.1f} kB for each,"
            f" {size * rate * 86_400 / 1e9:.2f} GB a day"
        )


if __name__ == "__main__":
    main()
