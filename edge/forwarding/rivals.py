"""Whether another agent speaks for the same gateway: two copies of one card, or one left running.

Each sees the other by the gateway's own status topic, or, with one account, by the broker's word
that its session was taken over (MQTT 5.0, section 3.14.2.1: 0x8E).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from edge.warnings import Warnings
from khaen import log
from khaen.clock import Clock
from khaen.ids import GatewayEui
from khaen.status import GatewayStatus

_log = log.logger()
TAKEN_OVER: Final = "Session taken over"
WINDOW_S: Final = 600.0
"""Two signs within this time are another agent; none for so long, and it is gone."""
_SIGNS: Final = 2
"""One may be the last word of an agent that was killed a moment ago."""
_TOLD: Final = 64


class Rivals:
    """Puts the warning `twin_agent`. All in the loop's thread."""

    def __init__(self, gateway: GatewayEui, warnings: Warnings, clock: Clock) -> None:
        self._gateway, self._warnings, self._clock = gateway, warnings, clock
        self._began = clock.monotonic()
        self._told: deque[datetime] = deque(maxlen=_TOLD)
        self._heard: datetime | None = None
        self._signs: deque[float] = deque(maxlen=_SIGNS)

    def tell(self, at: datetime) -> None:
        """We are about to publish a status of that moment."""
        self._told.append(at)
        self._judge()

    def hear(self, status: GatewayStatus, *, retained: bool) -> None:
        """A status of this gateway came. What is retained may be our own, of an earlier life."""
        if status.at in self._told or status.at == self._heard:
            return
        if retained and status.at <= self._beginning():
            return
        self._heard = status.at
        self._note(f"status of epoch {status.epoch}")

    def lose(self, reason: str) -> None:
        """The connection ended."""
        if TAKEN_OVER in reason:
            self._note("session taken over")

    def _beginning(self) -> datetime:
        """When we began, by the clock as it is now: it may have been set since."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - self._began)

    def _note(self, sign: str) -> None:
        self._signs.append(self._clock.monotonic())
        known = "twin_agent" in self._warnings
        self._judge()
        if not known and "twin_agent" in self._warnings:
            _log.error("another_agent_speaks_for_this_gateway", gateway=self._gateway, sign=sign)

    def _judge(self) -> None:
        now = self._clock.monotonic()
        while self._signs and now - self._signs[0] > WINDOW_S:
            self._signs.popleft()
        if len(self._signs) >= _SIGNS:
            self._warnings.add("twin_agent")
        elif not self._signs:
            self._warnings.discard("twin_agent")
