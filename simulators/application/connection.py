"""One connection to a broker: its handshake, what is written to it, what it acknowledges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self, cast

from khaen.errors import NotRunnable
from khaen.mqtt import MqttSettings
from simulators.application import packets

_ANSWER_S: Final = 5.0
_GATHERED: Final = 65_536
"""Bytes that are written at once."""


class Connection(asyncio.Protocol):
    """Made by `open`. `acked` is told of packet ids, `lost` once, when it is over."""

    def __init__(self, acked: Callable[[int], None], lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._acked, self._lost = acked, lost
        self._answer: asyncio.Future[int] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._size = 0
        self._read = bytearray()
        self._ping: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        settings: MqttSettings,
        client_id: str,
        *,
        acked: Callable[[int], None],
        lost: Callable[[], None],
    ) -> Self:
        """Connect and be let in. Raises NotRunnable, whose text names the broker and the remedy."""
        connection, where = cls(acked, lost), f"{settings.host}:{settings.port}"
        tls = settings.tls() if settings.ca_file is not None else None
        hello = packets.connect(
            settings.client_id(client_id),
            keepalive=settings.keepalive,
            username=settings.username,
            password=settings.password(),
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                await connection._loop.create_connection(
                    lambda: connection, settings.host, settings.port, ssl=tls
                )
                connection.write(hello)
                code = await connection._answer
        except TimeoutError as error:
            connection.close()
            raise NotRunnable(
                f"{where}: no broker answers there; start one, or mend --mqtt"
            ) from error
        except OSError as error:
            connection.close()
            reason = error.strerror or str(error)
            raise NotRunnable(f"{where}: {reason}; start a broker, or mend --mqtt") from error
        if code:
            connection.close()
            reason = packets.REFUSALS.get(code, f"it answers {code}")
            raise NotRunnable(f"{where}: the broker refuses us: {reason}; see --username")
        connection._keep_alive(settings.keepalive / 2)
        return connection

    def write(self, packet: bytes) -> None:
        """Send a packet with what else comes in this turn of the event loop."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(packet)
        self._size += len(packet)
        if self._size >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Hand over to the socket what waits."""
        if self._waiting and self._transport is not None:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()
            self._size = 0

    def close(self) -> None:
        """End it in good order; `lost` is not told."""
        self._lost = lambda: None
        self.write(packets.DISCONNECT)
        self.flush()
        self._end()

    def _end(self) -> None:
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is not None:
            self._transport.close()

    def _keep_alive(self, seconds: float) -> None:
        self.write(packets.PINGREQ)
        self._ping = self._loop.call_later(seconds, self._keep_alive, seconds)

    # -- asyncio.Protocol -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS where asked for, is there."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end()
        self._transport = None
        if not self._answer.done():
            self._answer.set_exception(ConnectionError(str(exc or "closed before it answered")))
            self._answer.exception()  # nobody need have waited for it
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Take answers of the broker; what is no MQTT ends the connection."""
        self._read += data
        try:
            for kind, body in packets.split(self._read):
                self._take(kind, body)
        except ValueError:
            self._end()

    def _take(self, kind: int, body: bytes) -> None:
        if kind == packets.PUBACK and len(body) == 2:
            self._acked(int.from_bytes(body))
        elif kind == packets.CONNACK and len(body) == 2 and not self._answer.done():
            self._answer.set_result(body[1])
