"""Checks of the way from the agent to the ledger: broker, certificates, receipts."""

from __future__ import annotations

from collections.abc import Iterator

from edge.doctor.facts import Facts, Finding
from edge.health.symptoms import EXPIRY_DAYS, OLD_S, UNANSWERED_S


def check_broker(facts: Facts) -> Iterator[Finding]:
    """Whether the broker can be reached, and takes every gateway."""
    mqtt = facts.settings.mqtt
    for gateway, reason in facts.broker.items():
        yield Finding(
            code="broker_away",
            gateway=gateway,
            cause=f"The broker {mqtt.host}:{mqtt.port} does not have us: {reason}.",
            remedy="Frames are kept here meanwhile. If it names no remedy: see that this machine"
            " has its network, then ask who runs the broker.",
        )


def check_twin(facts: Facts) -> Iterator[Finding]:
    """Whether another agent has our name."""
    for own in facts.settings.of_each():
        if facts.warns(own.gateway_eui, "twin_agent"):
            yield Finding(
                code="twin_agent",
                gateway=own.gateway_eui,
                cause="Another agent uses this gateway's id at the broker; the two push each other"
                " out.",
                remedy="A copied card in another machine? Stop one, or give it a gateway_eui of"
                " its own.",
            )


def check_receipts(facts: Facts) -> Iterator[Finding]:
    """Whether the other end says what it has."""
    for own in facts.settings.of_each():
        gateway = own.gateway_eui
        if facts.warns(gateway, "receipts_absent"):
            yield Finding(
                code="receipts_absent",
                gateway=gateway,
                cause=f"The broker is there, but no receipt for site {own.site!r} came for"
                f" {UNANSWERED_S:.0f} s. Nothing is lost: frames are kept here.",
                remedy="Is khaen ingest running? Is site spelled as in the site file? May this"
                f" account read khaen/gateway/{gateway}/receipt?",
            )
        elif facts.warns(gateway, "backlog_stays"):
            yield Finding(
                code="backlog_stays",
                gateway=gateway,
                grave=False,
                cause=f"Frames have waited for more than {OLD_S / 3600:.0f} h although the broker"
                " is there.",
                remedy="khaen-edge drain shows whether they go at all. If not, ingest refuses"
                " them: khaen audit on the server.",
            )
        if facts.warns(gateway, "puback_is_proof"):
            yield Finding(
                code="puback_is_proof",
                gateway=gateway,
                grave=False,
                cause="forward.puback is on: what the broker loses is lost.",
                remedy="With Khaen behind the broker set forward.puback = false.",
            )


def check_certificates(facts: Facts) -> Iterator[Finding]:
    """Whether certificates last."""
    for certificate in facts.certificates:
        days = certificate.days_left
        if days is None:
            yield Finding(
                code="certificate_unreadable",
                cause=f"{certificate.file} cannot be read as a certificate.",
                remedy="It must be there, PEM, and readable by the user khaen-edge.",
            )
        elif days < 0:
            yield Finding(
                code="certificate_expired",
                cause=f"{certificate.file} ended {-days:.0f} days ago.",
                remedy="Put a new one in its place; the agent takes it without a restart.",
            )
        elif days < EXPIRY_DAYS:
            yield Finding(
                code="certificate_expires",
                grave=False,
                cause=f"{certificate.file} ends in {int(days)} days.",
                remedy="Put a new one in its place; the agent takes it without a restart.",
            )
