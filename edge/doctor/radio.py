"""Checks of the way from the packet forwarder to the agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edge.doctor.facts import Facts, Finding
from edge.health.condition import Condition, GatewayCondition
from edge.health.symptoms import SILENT_S

BANDS: Final = {
    "as923": (915, 928),
    "au915": (915, 928),
    "cn470": (470, 510),
    "cn779": (779, 787),
    "eu433": (433, 435),
    "eu868": (863, 870),
    "in865": (865, 867),
    "kr920": (920, 923),
    "ru864": (864, 870),
    "us915": (902, 928),
}
"""MHz of each region (RP002-1.0.4, chapter 2), by the beginning of its usual topic prefix."""
_QUIET_S: Final = 6 * 3600.0


def check_agent(facts: Facts) -> Iterator[Finding]:
    """Whether an agent runs and does its work."""
    if facts.settings.metrics_port == 0:
        yield Finding(
            code="agent_unasked",
            grave=False,
            cause="metrics_port is 0, so that nobody knows where to ask the agent.",
            remedy="Set it to 9101, and restart the agent; then ask again.",
        )
    elif facts.hung:
        yield Finding(
            code="agent_hangs",
            cause="An agent runs, and does not answer.",
            remedy="journalctl -u khaen-edge -n 20 may say why; systemctl restart khaen-edge.",
        )
    elif facts.agent is None:
        yield Finding(
            code="agent_silent",
            cause=f"No agent answers on 127.0.0.1:{facts.settings.metrics_port}"
            f"{': ' * bool(facts.intruder)}{facts.intruder}.",
            remedy="Start it: systemctl start khaen-edge. If it does not stay: journalctl -u"
            " khaen-edge -n 20 says why.",
        )
    else:
        for fault in facts.agent.faults:
            yield Finding(
                code="agent_unwell",
                cause=f"The agent says: {fault}.",
                remedy="See the disk below, and do not restart the agent: it holds frames in"
                " memory only."
                if facts.volatile
                else "If nothing is found below: systemctl restart khaen-edge, and keep the log.",
            )


def check_port(facts: Facts) -> Iterator[Finding]:
    """Whether another program took the packet forwarder's port."""
    known = facts.agent is not None or facts.hung or facts.settings.metrics_port == 0
    # systemd holds it for us, by our own socket unit.
    free = facts.udp_holder in (None, "systemd")
    if not known and facts.settings.udp.enabled and not free:
        port = facts.settings.udp.port
        yield Finding(
            code="udp_taken",
            cause=f"UDP {port} is held by {facts.udp_holder or 'another program'}.",
            remedy="Stop it (chirpstack-gateway-bridge: systemctl disable --now"
            " chirpstack-gateway-bridge), or set udp.port and the forwarder's ports.",
        )


def check_forwarder(facts: Facts) -> Iterator[Finding]:
    """Whether each gateway's packet forwarder asks for downlinks (PULL_DATA)."""
    if facts.agent is None or not facts.settings.udp.enabled:
        return
    for part in facts.agent.gateways:
        if facts.agent.stranger and part.pulled_s is None:
            yield _other_gateway(facts.agent, part)
        elif (facts.agent.uptime_s if part.pulled_s is None else part.pulled_s) > SILENT_S:
            yield _silent(facts, part)


def _other_gateway(agent: Condition, part: GatewayCondition) -> Finding:
    return Finding(
        code="other_gateway",
        gateway=part.gateway,
        cause=f"A packet forwarder sends, but it calls itself {agent.stranger}.",
        remedy=f'Set gateway_eui = "{agent.stranger}" in edge.toml, or "gateway_ID":'
        f' "{part.gateway}" in the forwarder\'s local_conf.json.',
    )


def _silent(facts: Facts, part: GatewayCondition) -> Finding:
    udp = facts.settings.udp
    everywhere = udp.host in ("0.0.0.0", "::")  # noqa: S104
    address = "this machine's own" if everywhere else f'"{udp.host}"'
    asked = (
        "No packet forwarder has sent anything yet"
        if part.pulled_s is None
        else f"The packet forwarder fell silent {part.pulled_s:.0f} s ago"
    )
    return Finding(
        code="forwarder_silent",
        gateway=part.gateway,
        cause=f"{asked} (no PULL_DATA).",
        remedy='Is it running? In its global_conf.json or local_conf.json: "server_address":'
        f' {address}, "serv_port_up" and "serv_port_down": {udp.port}; then restart it.',
    )


def check_receptions(facts: Facts) -> Iterator[Finding]:
    """Whether what the forwarder hears can be taken."""
    if facts.agent is None:
        return
    counts = facts.agent.counts
    bad, good = counts.get("refused", {}).get("crc_bad", 0), counts.get("heard", {})
    if bad and not good.get("lorawan"):
        yield Finding(
            code="crc_bad_only",
            cause=f"{bad} frames were heard, all with a bad CRC: that is noise.",
            remedy="Look at the antenna and its plug, the channel plan in global_conf.json, and"
            " the sync word (lorawan_public: true).",
        )
    for part in facts.agent.gateways:
        last = part.status.last_frame
        quiet = None if last is None else (facts.agent.at - last).total_seconds()
        if (
            part.pulled_s is not None
            and facts.agent.uptime_s > _QUIET_S
            and (quiet is None or quiet > _QUIET_S)
        ):
            yield Finding(
                code="nothing_heard",
                gateway=part.gateway,
                grave=False,
                cause="The packet forwarder is there, but no frame was heard for"
                f" {_QUIET_S / 3600:.0f} hours.",
                remedy="Look at the antenna, its plug and cable, and the channel plan in"
                " global_conf.json; press a wristband nearby.",
            )


def check_region(facts: Facts) -> Iterator[Finding]:
    """Whether the topics' prefix is of the region whose frequencies are heard."""
    region = facts.settings.region
    band = next((span for name, span in BANDS.items() if region.startswith(name)), None)
    if band is None:
        yield Finding(
            code="region_unknown",
            grave=False,
            cause=f"region = {region!r} is the name of no LoRaWAN region.",
            remedy="It must be the topic_prefix of the network server's region file, as923 in"
            " Thailand; else the network server never sees this gateway.",
        )
        return
    for outbox in facts.outboxes:
        low, high = outbox.frequencies or (None, None)
        if low is None or high is None or band[0] <= low / 1e6 <= high / 1e6 <= band[1]:
            continue
        heard = f"{low / 1e6:.1f}" + (f" to {high / 1e6:.1f}" if high > low else "")
        yield Finding(
            code="region_wrong",
            gateway=outbox.gateway,
            cause=f"region = {region!r} is {band[0]} to {band[1]} MHz, but frames are heard at"
            f" {heard} MHz.",
            remedy="Set region to the topic_prefix that the network server uses for those"
            " frequencies (as923 in Thailand), or mend the channel plan.",
        )
