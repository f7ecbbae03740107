"""One account's connection to a broker: publishes at QoS 1, a bounded number unacknowledged.

What a lost connection swallowed is published again on the next one. All state belongs to the
caller's thread; the network's thread only tells it what happened.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from khaen.errors import NotRunnable
from khaen.mqtt import Client, Handlers, MqttSettings, Session
from simulators.replay.stamp import Outgoing

WINDOW: Final = 256
PATIENCE_S: Final = 30.0
"""So long a broker may take nothing."""
_Key = tuple[int, int]


class Publisher:
    """`close` in the end, always."""

    def __init__(
        self, mqtt: MqttSettings, name: str, *, window: int = WINDOW, patience_s: float = PATIENCE_S
    ) -> None:
        self.taken = self.refused = 0
        self._window, self._patience_s = window, patience_s
        self._told: queue.SimpleQueue[tuple[_Key, bool] | str] = queue.SimpleQueue()
        self._flying: dict[_Key, Outgoing] = {}
        self._again: deque[Outgoing] = deque()
        self._reason = "it does not answer"
        # paho counts what it holds itself: a little room above our own window.
        session = Session(client_id=f"khaen-replay-{name}", window=window + 16)
        handlers = Handlers(
            published=lambda number, mid, answer: self._told.put(((number, mid), answer.taken)),
            disconnected=self._told.put,
        )
        self._where = f"{mqtt.host}:{mqtt.port}, account {mqtt.username or 'none'}"
        self._client = Client(mqtt, session, handlers)
        self._client.start()

    def publish(self, message: Outgoing) -> None:
        """Hand a message over, waiting for room. Raises NotRunnable where the broker takes none."""
        self._listen()
        self._wait(lambda: len(self._flying) < self._window and not self._again)
        self._wait(lambda: self._send(message))

    def drain(self) -> None:
        """Wait until the broker has all. Raises NotRunnable."""
        self._wait(lambda: not self._flying and not self._again)

    def close(self) -> None:
        """Disconnect; what was not taken is forgotten."""
        self._client.stop()

    def _send(self, message: Outgoing) -> bool:
        key = self._client.publish(message.topic, message.payload)
        if key is not None:
            self._flying[key] = message
        return key is not None

    def _wait(self, done: Callable[[], bool]) -> None:
        before = self.taken
        deadline = time.monotonic() + self._patience_s
        while not done():
            if self.taken != before:
                before, deadline = self.taken, time.monotonic() + self._patience_s
            if time.monotonic() > deadline:
                raise NotRunnable(f"no broker to replay to at {self._where}: {self._reason}")
            self._listen(0.01)
            while self._again and self._send(self._again[0]):
                self._again.popleft()

    def _listen(self, timeout_s: float | None = None) -> None:
        """Take in what the network's thread told; wait so long for the first."""
        while True:
            try:
                told = self._told.get(timeout=timeout_s) if timeout_s else self._told.get_nowait()
            except queue.Empty:
                return
            timeout_s = None
            if isinstance(told, str):
                self._reason = told or self._reason
                self._again.extendleft(reversed(self._flying.values()))
                self._flying.clear()
                continue
            key, taken = told
            if self._flying.pop(key, None) is not None:
                self.taken += taken
                self.refused += not taken
