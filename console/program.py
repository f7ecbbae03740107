"""The console as a process: binds its port, says where it is, and ends within two seconds."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from console.app import build
from console.connections import Impatient, allow_many
from console.house import House
from khaen import log, ready
from khaen.clock import SystemClock
from khaen.errors import NotRunnable
from khaen.settings import ConsoleSettings, Settings
from store import migrate
from store.database import Database

_log = log.logger()

GRACE_S = 1
"""Seconds that requests under way have at the end."""
USER_TIMEOUT_MS = 20_000
"""A screen that acknowledges nothing for so long is cut off: its network is gone."""


class _Server(uvicorn.Server):
    """Announces itself once it serves, lets event streams end first, and returns on a signal."""

    url = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _log.info("console_started", url=self.url)
            ready.announce("console", url=self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.hub.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn, but a signal ends `run` in good order instead of being raised once more."""
        handled = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises NotRunnable where the port cannot be had."""
    listener = _listen(settings.console)
    allow_many()
    database = Database(settings.ledger.url)
    try:
        migrate.upgrade(database)
        house = House(database, SystemClock(), heartbeat_s=settings.alarms.heartbeat_s)
        url = settings.console.public_url.rstrip("/") or _url(listener)
        app = build(house, public_url=url)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        server = _Server(
            uvicorn.Config(
                app,
                http=Impatient,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whoever connects is who connects
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        server.url = url
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        database.close()
        listener.close()


def _listen(settings: ConsoleSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        raise NotRunnable(
            f"console: cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another console.port (0 takes any free one)"
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared with, not bound)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
