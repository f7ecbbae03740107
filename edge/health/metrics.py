"""Prometheus metrics, `/health` and `/status`, on loopback only."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from edge.health import condition, gauges
from edge.health.condition import Condition
from khaen.errors import NotRunnable

_HOST: Final = "127.0.0.1"
_TIMEOUT_S: Final = 5.0
_LOOK_S: Final = 15.0
"""Enough for two looks at an outbox that does not answer."""
_MAX_HEAD: Final = 8192
_MOST: Final = 16
"""Connections at a time; whoever comes beyond is turned away."""
_PAUSE_S: Final = 0.01
"""Between two answers, so that whoever asks without end costs little."""
_TEXT: Final = "text/plain; charset=utf-8"


class Asked(Protocol):
    """Who knows how the agent is: `edge.health.survey.Survey`."""

    async def find_faults(self) -> list[str]:
        """Reasons for which the agent does not do its work."""

    async def look(self) -> Condition | None:
        """The whole condition; None while it is starting."""


class Metrics:
    """A small HTTP server that answers one question after the other."""

    def __init__(self, registry: CollectorRegistry, survey: Asked) -> None:
        self._registry, self._survey = registry, survey
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Lock()
        self._open = 0

    async def start(self, port: int) -> int:
        """Listen, and return the port. Raises NotRunnable when it cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, _HOST, port, limit=_MAX_HEAD)
        except OSError as error:
            raise NotRunnable(
                f"metrics {_HOST}:{port}: {error.strerror or error}; set metrics_port"
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MOST:
                await self._converse(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # whoever asked does not listen any more
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(_LOOK_S), self._turn:
            writer.write(await self._answer(head))
            await asyncio.sleep(_PAUSE_S)
        async with asyncio.timeout(_TIMEOUT_S):
            await writer.drain()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0].decode("ascii", errors="replace")
        if method != b"GET" or path not in ("/metrics", "/health", condition.PATH):
            return _render(
                "404 Not Found", _TEXT, f"/metrics, /health, {condition.PATH}\n".encode()
            )
        if path == "/health":
            faults = await self._survey.find_faults()
            status = "503 Service Unavailable" if faults else "200 OK"
            return _render(
                status, _TEXT, "".join(f"{line}\n" for line in faults or ["ok"]).encode()
            )
        found = await self._survey.look()
        if found is None:
            return _render("503 Service Unavailable", _TEXT, b"it is starting\n")
        if path == condition.PATH:
            return _render("200 OK", "application/json", found.model_dump_json().encode())
        body = generate_latest(self._registry) + gauges.render(found)
        return _render("200 OK", CONTENT_TYPE_LATEST, body)


def _render(status: str, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
