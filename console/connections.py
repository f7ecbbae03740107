"""Connections that ask for nothing, or are too many, lock out nobody who has an alarm to take.

A process may hold so many sockets; whoever opens connections and says nothing, a byte a minute, or
half a form, would take them all, without ever signing in.
"""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from console.sign_in import network_of
from khaen import log

_log = log.logger()

REQUEST_S = 10.0
"""Seconds in which a request must have come whole, body and all."""
PER_NETWORK = 512
"""Open connections of one address (of one /64): a browser takes six, a proxy one per screen."""


class Impatient(H11Protocol):
    """A browser's connection, closed when it takes too long to ask."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request, unless there are too many like it."""
        super().connection_made(transport)
        self._wait(REQUEST_S)
        if self._companions() > PER_NETWORK:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait(self.timeout_keep_alive + REQUEST_S)

    def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            self.transport.abort()

    def _companions(self) -> int:
        """How many connections its address has open, itself included."""
        if self.client is None:
            return 0
        mine = network_of(self.client[0])
        hosts = (o.client[0] for o in self.connections if isinstance(o, Impatient) and o.client)
        return sum(network_of(host) == mine for host in hosts)


def allow_many() -> None:
    """Take all the sockets that this machine lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            _log.warning("limit_not_raised", files=soft, error=str(error))
