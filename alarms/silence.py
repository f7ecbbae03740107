"""Gateways that are not heard: is it one of them, or all that lies before us? Pure.

A gateway says that it lives once a minute. Silence while ingest itself did not listen does not
count: whoever was not known to be down before has been heard, at the latest, when ingest began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from khaen.ids import GatewayEui


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """When it was last heard; `down` says that its own alarm stands."""

    eui: GatewayEui
    last_heard: datetime | None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`together` is the silence of so many at once that none of them is to blame.

    `heard` are all gateways with the time from which their silence counts.
    """

    together: bool
    heard: tuple[Gateway, ...]
    overdue: frozenset[GatewayEui]


def look(gateways: Sequence[Gateway], *, since: datetime, now: datetime, limit: timedelta) -> Look:
    """Judge all gateways at once; ingest listens since `since`, `limit` is how long is too long.

    Heartbeats come at different moments of the minute, so that not all pass the limit together:
    whoever passed half of it is counted with the first who passes it. More than half of those
    that were not down before, two at least, are silent together.
    """
    counted = tuple(
        gateway
        if gateway.down
        else Gateway(eui=gateway.eui, last_heard=max(gateway.last_heard or since, since))
        for gateway in gateways
    )
    overdue = [g for g in counted if _silence(g, now) > limit / 2]
    fresh = [g for g in overdue if not g.down]
    candidates = sum(not g.down for g in counted)
    passed = any(_silence(g, now) >= limit for g in fresh)
    return Look(
        together=passed and len(fresh) >= 2 and len(fresh) * 2 > candidates,
        heard=counted,
        overdue=frozenset(g.eui for g in overdue),
    )


def _silence(gateway: Gateway, now: datetime) -> timedelta:
    return timedelta.max if gateway.last_heard is None else now - gateway.last_heard
