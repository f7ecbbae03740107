"""The retained status document of a gateway."""

from __future__ import annotations

import asyncio
import contextlib

from edge.forwarding.broker import Broker
from edge.forwarding.rivals import Rivals
from edge.health.vitals import Vitals
from edge.settings import EdgeSettings
from khaen import log, topics
from khaen.errors import StoreUnavailable

_log = log.logger()


class Status:
    """Tells the broker how the gateway is: every period, and whenever `tell` is called."""

    def __init__(
        self, settings: EdgeSettings, vitals: Vitals, broker: Broker, rivals: Rivals
    ) -> None:
        self._settings, self._vitals, self._broker = settings, vitals, broker
        self._rivals = rivals
        self._wake = asyncio.Event()
        self._warned: frozenset[str] = frozenset()

    def tell(self) -> None:
        """Publish one as soon as may be."""
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            self._wake.clear()
            try:
                await self._publish()
            except StoreUnavailable:
                _log.warning("status_skipped", reason="outbox_busy")
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.status_s):
                    await self._wake.wait()

    async def _publish(self) -> None:
        """Publish the document of this moment; say in the log what it warns of anew, or no more."""
        gateway, document = self._settings.gateway_eui, (await self._vitals.look()).status
        warned = frozenset(document.warnings)
        for code in sorted(warned - self._warned):
            _log.warning("warning_began", gateway=gateway, code=code)
        for code in sorted(self._warned - warned):
            _log.info("warning_ended", gateway=gateway, code=code)
        self._warned = warned
        self._rivals.tell(document.at)
        body = document.model_dump_json().encode()
        self._broker.publish(topics.status(gateway), body, retain=True)
