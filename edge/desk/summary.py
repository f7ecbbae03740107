"""An agent's condition as an engineer reads it over ssh on a phone: 79 columns, no colours."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from edge.health.condition import Condition, GatewayCondition

_WIDTH: Final = 79
_LABEL: Final = 10
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def render(condition: Condition) -> Iterator[str]:
    """The whole agent, gateway by gateway."""
    yield from _line(
        "agent",
        f"version {condition.version}, up {span(condition.uptime_s)},"
        f" site {condition.site}, configuration {condition.configuration}",
    )
    if condition.simulated:
        yield from _line("SIMULATED", "nothing that this agent hears is real")
    clock = condition.clock
    kept = (
        f"kept by {clock.keeper or 'somebody'}, {clock.offset_ms:.1f} ms off"
        f" (at most {clock.error_ms:.0f} ms)"
    )
    yield from _line("clock", kept if clock.kept else "not synchronised")
    for part in condition.gateways:
        yield ""
        yield from _render_gateway(condition, part)
    if condition.faults:
        yield ""
    for fault in condition.faults:
        yield from _line("NOT WELL", fault)


def _render_gateway(condition: Condition, part: GatewayCondition) -> Iterator[str]:
    status, now = part.status, condition.at
    yield from _line("gateway", str(part.gateway))
    yield from _line("broker", status.broker)
    asked = "never asked" if part.pulled_s is None else f"asked {span(part.pulled_s)} ago"
    if part.forwarder:
        asked += f" from {part.forwarder}"
    yield from _line("radio", f"heard {_ago(status.last_frame, now)}; forwarder {asked}")
    waits = f"{status.backlog} without receipt"
    if status.backlog and part.oldest_s is not None:
        waits += f", the oldest for {span(part.oldest_s)}"
    yield from _line("outbox", f"{waits}; {status.held} held; numbers to {status.last_seq}")
    receipt = "never" if part.receipt_s is None else f"{span(part.receipt_s)} ago"
    yield from _line("receipt", receipt)
    disk = status.disk
    yield from _line(
        "disk",
        f"{size(disk.used)} of {size(disk.quota)} used, {size(disk.free)} free"
        + (", REFUSES: frames are in memory only" if status.volatile else ""),
    )
    yield from _line("dates by", status.clock_source or status.clock.value)
    if status.temperature is not None:
        yield from _line("warmth", f"{status.temperature:.0f} °C")
    for certificate in part.certificates:
        days = certificate.days_left
        left = "cannot be read" if days is None else f"{days:.0f} days left"
        yield from _line("cert", f"{left}: {certificate.file}")
    if status.warnings:
        yield from _line("WARNS", f"{', '.join(status.warnings)} (khaen-edge doctor says more)")


def _line(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "nothing since the start"
    return f"{span(max(timedelta(), now - at).total_seconds())} ago"


def span(seconds: float) -> str:
    """A duration in its two greatest units, `3 d 4 h`."""
    left, words = int(seconds), list[str]()
    for unit, name in _UNITS:
        count, left = divmod(left, unit)
        if count or (words and len(words) < 2):
            words.append(f"{count} {name}")
        if len(words) == 2:
            break
    return " ".join(words) or "0 s"


def size(count: int) -> str:
    """Bytes in the greatest unit of which there is one at least, `1.2 GB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
