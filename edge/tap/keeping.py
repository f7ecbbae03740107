"""What a tap carries, into a capture, by a thread of its own.

A card may take seconds for a write: the carrying never waits for it. Whatever becomes of the
recording costs the recording only.
"""

from __future__ import annotations

import queue
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from khaen.capture import CaptureError, Header, Limits, PartWriter, Record, Road
from khaen.clock import Clock

FLUSH_S: Final = 1.0
_WAITING: Final = 1024
"""Datagrams that wait for the disk; some 20 s of a busy gateway."""
_END_S: Final = 10.0
"""How long the end waits for the disk."""


class Keeping:
    """A capture that takes datagrams as long as it can; it says once why it cannot any more."""

    def __init__(self, path: Path, about: Header, limits: Limits, clock: Clock) -> None:
        """Raises CaptureError where the capture cannot be begun."""
        self._writer = PartWriter(path, about, limits, monotonic=clock.monotonic)
        self._clock = clock
        self._waiting: queue.Queue[Record | None] = queue.Queue(_WAITING)
        self._ended = False
        self.dropped = 0
        """Datagrams that were carried and not recorded: the disk was too slow."""
        # A disk that does not answer any more must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()

    @property
    def summary(self) -> str:
        """What is on the disk."""
        said = f"{self._writer.records} datagrams, {self._writer.size / 1e6:.2f} MB"
        return f"{said} ({self.dropped} came too fast for the disk)" if self.dropped else said

    def keep(self, road: Road, payload: bytes) -> None:
        """Have a datagram written down; does not wait and does not raise."""
        if self._ended:
            return
        record = Record(at=self._clock.now(), road=road, payload=payload, qos=0)
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Have all on the disk, and end; waits for the disk for some seconds at most."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=0 if self._ended else _END_S)
        self._thread.join(_END_S)
        if self._thread.is_alive():
            _tell("the disk does not answer; the end of the recording may be lost")

    # -- the thread -----------------------------------------------------------

    def _run(self) -> None:
        try:
            self._write()
        except CaptureError as error:
            _tell(f"{error}; datagrams are still carried")
        except Exception as error:  # noqa: BLE001 - the thread's outermost border
            _tell(f"recording failed: {type(error).__name__}; datagrams are still carried")
        finally:
            self._ended = True

    def _write(self) -> None:
        flushed = self._clock.monotonic()
        while True:
            with suppress(queue.Empty):
                record = self._waiting.get(timeout=FLUSH_S)
                if record is None:
                    break
                self._writer.write(record)
            if self._clock.monotonic() - flushed >= FLUSH_S:
                self._writer.flush()
                flushed = self._clock.monotonic()
        self._writer.close()


def _tell(what: str) -> None:
    print(f"khaen-edge: {what}", file=sys.stderr, flush=True)
