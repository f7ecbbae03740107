"""What the agent warns of beyond what is checked elsewhere, so that no warning goes unexplained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edge.doctor.facts import Facts, Finding

_EXPLAINED: Final = frozenset(
    {
        "backlog_stays",
        "certificate_expired",
        "certificate_expires",
        "clock_untrue",
        "disk_low",
        "forwarder_silent",
        "hot",
        "other_gateways_outbox",
        "outbox_shedding",
        "puback_is_proof",
        "receipts_absent",
        "twin_agent",
        "under_voltage",
    }
)
"""Codes of which another check speaks."""
_TEXTS: Final = {
    "certificate_unreadable": (
        "A renewed certificate, key or password cannot be used; the connection goes on.",
        "journalctl -u khaen-edge names the file. Put a whole one there that khaen-edge may read.",
    ),
    "concentratord_away": (
        "ChirpStack Concentratord cannot be reached.",
        "Does it run, with the sockets of [concentratord]? The service's /tmp is another.",
    ),
    "configuration_not_kept": (
        "A configuration from afar was refused or rolled back.",
        "khaen/gateway/EUI/config/state says why; mend the document, and give it a new id.",
    ),
    "message_too_large": (
        "The broker takes no message as large as some that wait here.",
        "Let it take 256 KiB: in mosquitto.conf, max_packet_size 262144. They are kept until then.",
    ),
    "network_server_away": (
        "The broker of the network server on this gateway cannot be reached.",
        "Does it run? Are host, port and account in [network_server] its own?",
    ),
    "nobody_subscribes": (
        "The broker takes frames and has nobody to give them to.",
        "Start ingest. Frames are kept here until it says that it has them.",
    ),
    "publish_refused": (
        "The broker refuses what this gateway publishes: the region or the account is wrong.",
        "The log names the topic. Is region its server's topic_prefix? May we write there?",
    ),
    "records_damaged": (
        "Frames on the disk could not be read any more, and were declared gone.",
        "The card or disk fails: put in another. khaen audit says how many are gone.",
    ),
    "serial_module_away": (
        "The LoRa module at the serial port cannot be reached.",
        "Look at its plug and at serial.device; the user khaen-edge must be in the group dialout.",
    ),
    "two_forwarders": (
        "Two packet forwarders call themselves by this gateway's id.",
        "A second one may be running here, or a copied card elsewhere: stop one.",
    ),
}


def check_warnings(facts: Facts) -> Iterator[Finding]:
    """Whether the agent warns of anything else."""
    for part in facts.agent.gateways if facts.agent is not None else ():
        for code in part.status.warnings:
            if code not in _EXPLAINED:
                cause, remedy = _TEXTS.get(code, (f"It warns of {code}.", "The log says more."))
                yield Finding(
                    code=code,
                    gateway=part.gateway,
                    cause=cause,
                    remedy=remedy,
                    grave=code.endswith(("_away", "_refused")),
                )
