"""paho's queue of packets that are still to be written, in which a message may grow too old.

paho writes what it was handed whenever the socket takes it again, seconds later if need be. Here
each message may carry a time after which it is not written any more: it is looked at in the moment
before it is handed to the socket, not when it was handed to paho.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any


class _Limit(threading.local):
    at: float | None = None


class Outgoing(deque[dict[str, Any]]):
    """`popleft` passes over what is too old, and puts its mid into `withdrawn`.

    A packet of which the socket, or TLS, has taken the beginning cannot be left out: then it is
    `torn`, and only the end of the connection keeps it from arriving.
    """

    def __init__(self) -> None:
        super().__init__()
        self.withdrawn: deque[int] = deque()
        self._limit = _Limit()
        self.sealed = False
        """Whether the connection is of TLS."""
        self.torn = False

    @contextmanager
    def limit(self, at: float | None) -> Iterator[None]:
        """Give all that this thread appends meanwhile a limit, in seconds of `time.monotonic`."""
        self._limit.at = at
        try:
            yield
        finally:
            self._limit.at = None

    def append(self, packet: dict[str, Any]) -> None:
        """Add a packet, with its limit."""
        packet["limit"] = self._limit.at
        super().append(packet)

    def popleft(self) -> dict[str, Any]:
        """The next packet to be written. Raises IndexError when there is none."""
        while True:
            packet = super().popleft()
            if packet["limit"] is None or monotonic() <= packet["limit"]:
                return packet
            if packet.get("begun", False):
                self.torn = True
                return packet
            self.withdrawn.append(packet["mid"])

    def appendleft(self, packet: dict[str, Any]) -> None:
        """Put back what was not written, or not wholly."""
        # TLS that had no room holds a sealed copy, of which part may be on its way.
        packet["begun"] = packet.get("begun", False) or packet["pos"] > 0 or self.sealed
        super().appendleft(packet)
