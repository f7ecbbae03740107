"""Metrics and health over HTTP, on loopback: what monitoring and a supervisor ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from khaen.errors import NotRunnable

HOST = "127.0.0.1"
TIMEOUT_S = 5.0


@asynccontextmanager
async def serve(
    port: int, registry: CollectorRegistry, ill: Callable[[], list[str]]
) -> AsyncIterator[str]:
    """Answer `/metrics` and `/health` while the context lasts; yields the address.

    `ill` names what does not work; health is 200 when it names nothing, else 503. Port 0 takes any
    free one. Raises NotRunnable where the port is taken.
    """
    try:
        server = await asyncio.start_server(partial(_answer, registry, ill), HOST, port, limit=8192)
    except OSError as error:
        raise NotRunnable(
            f"alarms.metrics_port: {HOST}:{port}: {error.strerror}; set another, or 0 for any"
        ) from error
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/metrics"
    finally:
        server.close()
        await server.wait_closed()


async def _answer(
    registry: CollectorRegistry,
    ill: Callable[[], list[str]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path = (*head.split(b" ", 2), b"", b"")[:2]
            writer.write(_reply(method, path, registry, ill))
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _reply(
    method: bytes, path: bytes, registry: CollectorRegistry, ill: Callable[[], list[str]]
) -> bytes:
    status, kind, body = "404 Not Found", "text/plain", b"/metrics or /health\n"
    if method not in (b"GET", b"HEAD"):
        status = "405 Method Not Allowed"
    elif path == b"/metrics":
        status, kind, body = "200 OK", CONTENT_TYPE_LATEST, generate_latest(registry)
    elif path == b"/health":
        wrong = ill()
        status = "503 Service Unavailable" if wrong else "200 OK"
        body = ("".join(f"{name} does not work\n" for name in wrong) or "ok\n").encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)
