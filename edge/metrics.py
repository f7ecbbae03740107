"""Prometheus metrics and `/health`, on loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from khaen.errors import NotRunnable

_HOST = "127.0.0.1"
_TIMEOUT_S = 5.0
_MAX_HEAD = 8192


class Metrics:
    """A small HTTP server; `healthy` says whether the agent does its work."""

    def __init__(self, registry: CollectorRegistry, healthy: Callable[[], bool]) -> None:
        self._registry, self._healthy = registry, healthy
        self._server: asyncio.Server | None = None

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
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # whoever asked does not listen any more
        finally:
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if method != b"GET" or path not in (b"/metrics", b"/health"):
            return _render("404 Not Found", "text/plain", b"/metrics, /health\n")
        if path == b"/metrics":
            return _render("200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry))
        if self._healthy():
            return _render("200 OK", "text/plain", b"ok\n")
        return _render("503 Service Unavailable", "text/plain", b"the disk refuses\n")


def _render(status: str, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
