"""Checks of the machine: disk, clock, warmth, power."""

from __future__ import annotations

from collections.abc import Iterator

from edge.doctor.facts import Facts, Finding, OutboxFacts
from edge.health.symptoms import HOT_C, LOW_BYTES

_ERROR_MS = 1000.0
"""A clock that may be wrong by more than this dates frames too loosely to order them."""


def check_disks(facts: Facts) -> Iterator[Finding]:
    """Whether each outbox can be written, and its disk lasts."""
    for outbox in facts.outboxes:
        yield from _check_file(outbox)
        if outbox.errors:
            yield Finding(
                code="disk_failing",
                gateway=outbox.gateway,
                cause=f"The file system of {outbox.path} counted {outbox.errors} errors.",
                remedy="The card is dying: khaen-edge drain, then replace it; see dmesg.",
            )
        if outbox.owner:
            yield Finding(
                code="outbox_of_another",
                gateway=outbox.gateway,
                grave=facts.volatile,
                cause=f"{outbox.path} belongs to {outbox.owner}: the service cannot write it.",
                remedy=f"chown -R khaen-edge: {outbox.path.parent}; the agent goes on by itself."
                " Do not run khaen-edge run as root.",
            )
        if outbox.spare <= 0 and facts.volatile:
            yield Finding(
                code="disk_full",
                gateway=outbox.gateway,
                cause=f"The disk of {outbox.path} is full: frames are in memory only.",
                remedy="Make room: journalctl --vacuum-size=50M; du -xh / shows what fills it. Do"
                " not restart the agent before: what is in memory would be lost.",
            )
        elif outbox.spare < LOW_BYTES:
            yield Finding(
                code="disk_low",
                gateway=outbox.gateway,
                grave=False,
                cause=f"The disk has only {max(0, outbox.spare) / 1e6:.0f} MB left for"
                f" {outbox.path}.",
                remedy="journalctl --vacuum-size=50M; look what else fills the card with du -xh /.",
            )
        if facts.warns(outbox.gateway, "outbox_shedding"):
            yield Finding(
                code="outbox_shedding",
                gateway=outbox.gateway,
                cause="The outbox is full, and gives up the oldest frames without priority.",
                remedy="Bring the broker back; or raise outbox.quota_mb if the card has room.",
            )
    for left in facts.left:
        damaged = f" and {left.damaged} damaged files" if left.damaged else ""
        yield Finding(
            code="other_gateways_outbox",
            grave=False,
            cause=f"{left.path} holds {left.backlog} records{damaged} of gateway {left.gateway},"
            " which is not set up here: they wait.",
            remedy=f'To send them, set up [[gateways]] eui = "{left.gateway}" until khaen-edge'
            " drain ends; or give them up with khaen audit close on the server, and delete it.",
        )


def _check_file(outbox: OutboxFacts) -> Iterator[Finding]:
    if outbox.read_only:
        yield Finding(
            code="disk_read_only",
            gateway=outbox.gateway,
            cause=f"The file system of {outbox.path} is read-only: frames are in memory only.",
            remedy="A dying card becomes read-only. Look at dmesg, keep the power on, run"
            " khaen-edge drain, then replace the card.",
        )
    elif outbox.damaged:
        yield Finding(
            code="disk_failing",
            gateway=outbox.gateway,
            cause=f"{outbox.path} is damaged: {outbox.problem}.",
            remedy="The agent moves it aside and goes on. Its card should be replaced:"
            " khaen-edge drain first.",
        )
    elif outbox.problem:
        yield Finding(
            code="outbox_unreadable",
            gateway=outbox.gateway,
            cause=f"{outbox.path}: {outbox.problem}.",
            remedy="Run this as root or as khaen-edge. If no agent ran here yet, start it.",
            grave=False,
        )


def check_clock(facts: Facts) -> Iterator[Finding]:
    """Whether somebody keeps the clock, and how well."""
    if facts.settings.trust_clock or _is_dated_by_satellites(facts):
        return
    if not facts.clock.kept:
        keeper = facts.keeper or "nobody that systemd knows"
        yield Finding(
            code="clock_untrue",
            cause=f"The clock is not synchronised; it is kept by {keeper}."
            " Frames are dated afterwards, or by their arrival.",
            remedy="timedatectl set-ntp true; UDP 123 must be open to a time server. A clock"
            " module (RTC) helps after power cuts.",
        )
    elif facts.clock.error_ms > _ERROR_MS:
        yield Finding(
            code="clock_loose",
            grave=False,
            cause=f"The clock may be wrong by {facts.clock.error_ms / 1000:.1f} s.",
            remedy="Its time server is far or seldom heard: chronyc sources, or timedatectl"
            " timesync-status.",
        )


def _is_dated_by_satellites(facts: Facts) -> bool:
    return facts.agent is not None and any(
        "gps" in (part.status.clock_source or "") for part in facts.agent.gateways
    )


def check_machine(facts: Facts) -> Iterator[Finding]:
    """Whether it is too hot, or its supply too weak."""
    if facts.under_voltage:
        yield Finding(
            code="under_voltage",
            grave=False,
            cause="The supply was too weak since the last start: cards and modems fail of that.",
            remedy="Use the Pi's own supply and a short cable, or a better PoE splitter.",
        )
    if facts.temperature is not None and facts.temperature >= HOT_C:
        yield Finding(
            code="hot",
            grave=False,
            cause=f"The processor has {facts.temperature:.0f} °C and slows down.",
            remedy="Shade and air for the box.",
        )
