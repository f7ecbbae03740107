"""Recording a running system: every message of its broker into a capture, as it came.

The recorder only reads. A message is acknowledged when it is taken; what was taken is on the disk
within a second.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge.version import find_version
from khaen import topics
from khaen.capture import CaptureError, Header, Limits, PartWriter, Record, Road
from khaen.clock import Clock
from khaen.errors import NotRunnable
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session

FLUSH_S: Final = 1.0
_WINDOW: Final = 512
_CONNECT_S: Final = 15.0


class Recorder:
    """Records until it is closed; `error` says why it ended by itself."""

    def __init__(
        self,
        mqtt: MqttSettings,
        path: Path,
        clock: Clock,
        *,
        limits: Limits | None = None,
        site: str | None = None,
        simulated: bool = False,
        subscriptions: tuple[str, ...] = topics.ALL,
    ) -> None:
        """Raises CaptureError where the capture cannot be begun."""
        about = Header(
            tool=f"khaen {find_version()}",
            began=clock.now(),
            recorded=subscriptions,
            site=site,
            simulated=simulated,
        )
        self.error: CaptureError | None = None
        self.taken = self.refused = self.gaps = 0
        self.ended = threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._connected = threading.Event()
        self._reason = ""
        self._writer = PartWriter(path, about, limits, monotonic=clock.monotonic)
        # Two recorders of one broker must not throw each other out.
        name = f"khaen-recorder-{secrets.token_hex(4)}"
        session = Session(client_id=name, subscriptions=subscriptions, window=_WINDOW)
        handlers = Handlers(
            message=self._take, connected=self._connected.set, disconnected=self._lost
        )
        self._client = Client(mqtt, session, handlers)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._writer.size

    @property
    def files(self) -> int:
        """Files on the disk."""
        return self._writer.files

    @property
    def removed(self) -> int:
        """Files that made room for newer ones."""
        return self._writer.removed

    @property
    def written(self) -> int:
        """Records on the disk."""
        return self._writer.records

    def __enter__(self) -> Self:
        self._client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._client.stop()
        with self._lock:
            self._guard(self._writer.close)
            if kind is not None and not self._writer.records:
                self._writer.discard()  # it never began: the name is free for the next try

    def await_connected(self, timeout_s: float = _CONNECT_S) -> None:
        """Wait until everything is subscribed. Raises NotRunnable."""
        if not self._connected.wait(timeout_s):
            raise NotRunnable(f"no broker to record from: {self._reason or 'it does not answer'}")

    def flush(self) -> None:
        """Have all that was taken on the disk; to be called each second."""
        with self._lock:
            self._guard(self._writer.flush)

    def _take(self, message: Message) -> None:
        record = Record(
            at=self._clock.now(),
            road=Road.MQTT,
            topic=message.topic,
            payload=message.payload,
            qos=message.qos,
            retain=message.retain,
        )
        with self._lock:
            self._guard(lambda: self._write(record))
        self._client.ack(message)

    def _write(self, record: Record) -> None:
        try:
            self._writer.write(record)
        except ValueError:
            self.refused += 1
        else:
            self.taken += 1

    def _guard(self, work: Callable[[], None]) -> None:
        """Do it while there is room; the first failure ends the recording."""
        if self.error is not None:
            return
        try:
            work()
        except CaptureError as error:
            self.error = CaptureError(str(error))  # without a trace that holds the connection
            self.ended.set()

    def _lost(self, reason: str) -> None:
        self._reason = reason
        if self._connected.is_set() and not self.ended.is_set():
            self.gaps += 1
