"""One examination: facts are gathered, every check looks at them, the gravest cause comes first."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from edge import lock
from edge.doctor import machine, others, probes, radio, road
from edge.doctor.facts import Check, Facts, Finding
from edge.health import inquiry
from edge.health.condition import CertificateCondition, Condition
from edge.health.vitals import look_at_certificates
from edge.host import Host
from edge.settings import EdgeSettings
from khaen.clock import Clock
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui

CHECKS: Final[dict[str, Check]] = {
    "port": radio.check_port,
    "agent": radio.check_agent,
    "forwarder": radio.check_forwarder,
    "receptions": radio.check_receptions,
    "region": radio.check_region,
    "broker": road.check_broker,
    "twin": road.check_twin,
    "certificates": road.check_certificates,
    "receipts": road.check_receipts,
    "other warnings": others.check_warnings,
    "disk": machine.check_disks,
    "clock": machine.check_clock,
    "machine": machine.check_machine,
}
"""In the order in which causes are likely, and in which one hides the next."""
_OF_AGENT: Final = frozenset({"forwarder", "receptions", "twin", "receipts", "other warnings"})
"""What only a running agent can tell."""
_WIDTH: Final = 79
_PATIENCE_S: Final = 12.0


def gather(settings: EdgeSettings, host: Host, clock: Clock) -> Facts:
    """Look at this machine, at its agent where one runs, and at its way to the broker."""
    agent, intruder = None, ""
    try:
        agent = inquiry.ask(settings)
    except NotRunnable as error:
        intruder = str(error)
    return Facts(
        settings=settings,
        now=clock.now(),
        agent=agent,
        intruder=intruder,
        hung=agent is None and lock.is_held(settings.outbox.path),
        outboxes=tuple(probes.look_at_outbox(own) for own in settings.of_each()),
        left=probes.look_for_left(settings),
        broker=_reach(settings, agent),
        udp_holder=probes.find_udp_holder(settings.udp.port),
        clock=host.kernel_clock(),
        keeper=host.clock_keeper(),
        temperature=host.temperature(),
        under_voltage=host.under_voltage(),
        certificates=_look_at_certificates(settings, clock.now()),
    )


def _reach(settings: EdgeSettings, agent: Condition | None) -> dict[GatewayEui, str]:
    """Try the broker for every gateway of which the agent does not say that it is connected."""
    parts = agent.gateways if agent is not None else ()
    had = {part.gateway for part in parts if part.status.broker.startswith("connected")}
    reasons = {
        own.gateway_eui: probes.reach(own.mqtt, own.gateway_eui, _PATIENCE_S)
        for own in settings.of_each()
        if own.gateway_eui not in had
    }
    return {gateway: reason for gateway, reason in reasons.items() if reason}


def _look_at_certificates(
    settings: EdgeSettings, now: datetime
) -> tuple[CertificateCondition, ...]:
    """Each file once, by whatever gateway it is used."""
    found = (part for own in settings.of_each() for part in look_at_certificates(own.mqtt, now))
    return tuple({part.file: part for part in found}.values())


def examine(facts: Facts) -> list[Finding]:
    """All that is wrong, the gravest and likeliest first."""
    found = [finding for check in CHECKS.values() for finding in check(facts)]
    return sorted(found, key=lambda finding: not finding.grave)


def render(facts: Facts, findings: list[Finding]) -> Iterator[str]:
    """The findings as lines for a phone's terminal."""
    settings = facts.settings
    gateways = [own.gateway_eui for own in settings.of_each()]
    yield f"gateway {', '.join(gateways)} of site {settings.site}"
    for number, finding in enumerate(findings, start=1):
        whose = f"{finding.gateway}: " if finding.gateway and len(gateways) > 1 else ""
        mark = "" if finding.grave else "(can wait) "
        yield ""
        yield from _wrap(f"{number}. {mark}{whose}{finding.cause}", indent=3)
        yield from _wrap(f"   {finding.remedy}", indent=3)
    well = [
        name
        for name, check in CHECKS.items()
        if not (facts.agent is None and name in _OF_AGENT) and not any(check(facts))
    ]
    yield ""
    yield from _wrap(f"Nothing wrong with: {', '.join(well)}.", indent=3)


def to_json(findings: list[Finding]) -> str:
    """The findings for a program."""
    return json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2)


def _wrap(text: str, *, indent: int) -> list[str]:
    # Words are never broken: paths and commands must stay whole to be copied.
    return textwrap.wrap(
        text,
        _WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
