"""One record a period that walks the whole way, so that silence is never mistaken for calm."""

from __future__ import annotations

import asyncio

from edge.intake import Intake
from khaen import log
from khaen.errors import StoreUnavailable

_log = log.logger()


async def beat(intake: Intake, period_s: float) -> None:
    """Put a heartbeat into the outbox now, and then every `period_s` seconds, for ever."""
    while True:
        try:
            await intake.store([intake.beat()])
        except StoreUnavailable:
            _log.warning("heartbeat_skipped", reason="outbox_busy")
        await asyncio.sleep(period_s)
