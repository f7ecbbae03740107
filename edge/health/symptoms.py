"""What a gateway's own figures say is wrong: codes for its status, without any doing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SILENT_S: Final = 60.0
"""Packet forwarders ask for downlinks each 5 to 10 s; chirpstack-gateway-bridge waits as long."""
UNANSWERED_S: Final = 150.0
"""A receipt comes each 30 s at least (docs/wire.md): five of them failed."""
UNTRUE_S: Final = 600.0
"""A Pi without a clock knows the time within a minute of its network; so long it has none."""
OLD_S: Final = 3600.0
"""A backlog that is not gone in an hour's connection does not go."""
LOW_BYTES: Final = 200_000_000
"""That the outbox may still grow by: what a day of 10 frames/s takes."""
HOT_C: Final = 80.0
"""From here on a Raspberry Pi slows itself down (its documentation, config.txt, temp_limit)."""
EXPIRY_DAYS: Final = 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """A gateway's figures at one moment. Ages in seconds, None for what has not been."""

    uptime_s: float
    dated: bool = True
    """Whether what is heard now gets a true date."""
    semtech: bool = True
    """Whether it listens for a packet forwarder."""
    pulled_s: float | None = None
    """Since the forwarder asked for downlinks."""
    connected_s: float | None = None
    """Since the present connection to the broker was made."""
    receipt_s: float | None = None
    oldest_s: float | None = None
    """The age of the oldest record without receipt."""
    puback: bool = False
    """Whether the broker's acknowledgement is proof, so that no receipts come."""
    disk_spare: int = LOW_BYTES
    """Bytes of the disk that the outbox may still take."""
    temperature: float | None = None
    under_voltage: bool | None = None
    certificate_days: float | None = None
    """Until the first of its certificates ends."""
    certificate_unreadable: bool = False


def find(signs: Signs) -> Iterator[str]:
    """The codes of all that is wrong, in no order."""
    yield from _find_around(signs)
    yield from _find_in_machine(signs)


def _find_around(signs: Signs) -> Iterator[str]:
    if signs.semtech and _is_over(signs.pulled_s, SILENT_S, signs.uptime_s):
        yield "forwarder_silent"
    if signs.connected_s is not None:
        if not signs.puback and _is_over(signs.receipt_s, UNANSWERED_S, signs.connected_s):
            yield "receipts_absent"
        if min(signs.connected_s, signs.oldest_s or 0.0) > OLD_S:
            yield "backlog_stays"


def _is_over(age_s: float | None, limit_s: float, since_s: float) -> bool:
    """Whether something that should come often has not come for too long in `since_s`."""
    return since_s > limit_s and (age_s is None or age_s > limit_s)


def _find_in_machine(signs: Signs) -> Iterator[str]:
    if not signs.dated and signs.uptime_s > UNTRUE_S:
        yield "clock_untrue"
    if signs.disk_spare < LOW_BYTES:
        yield "disk_low"
    if signs.temperature is not None and signs.temperature >= HOT_C:
        yield "hot"
    if signs.under_voltage:
        yield "under_voltage"
    if signs.certificate_unreadable:
        yield "certificate_unreadable"
    if signs.certificate_days is not None and signs.certificate_days < EXPIRY_DAYS:
        yield "certificate_expired" if signs.certificate_days < 0 else "certificate_expires"
