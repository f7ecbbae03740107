"""MQTT topics: who speaks to whom. Built and taken apart here only."""

from __future__ import annotations

from dataclasses import dataclass

from khaen.errors import WireError
from khaen.ids import DevEui, GatewayEui, parse_dev_eui, parse_gateway_eui

PRIORITY = "khaen/priority"

# Subscriptions of ingest. ChirpStack prefixes gateway topics with the region's topic_prefix.
GATEWAY_UP = "+/gateway/+/event/up"
LIVE = "khaen/gateway/+/live"
BACKLOG = "khaen/gateway/+/backlog"
STATUS = "khaen/gateway/+/status"
APPLICATION = "application/+/device/+/event/+"

ALL = (
    "+/gateway/+/event/+",
    "+/gateway/+/state/+",
    "+/gateway/+/command/+",
    LIVE,
    BACKLOG,
    STATUS,
    "khaen/gateway/+/receipt",
    PRIORITY,
    APPLICATION,
    "application/+/device/+/command/+",
)
"""What is recorded: all but the configuration of gateways, which may hold secrets."""


def up(region: str, gateway: GatewayEui) -> str:
    """Live LoRaWAN frames, agent to network server and ingest."""
    return f"{region}/gateway/{gateway}/event/up"


def stats(region: str, gateway: GatewayEui) -> str:
    """The packet forwarder's statistics, agent to network server."""
    return f"{region}/gateway/{gateway}/event/stats"


def down(region: str, gateway: GatewayEui) -> str:
    """What the gateway is to transmit, network server to agent."""
    return f"{region}/gateway/{gateway}/command/down"


def ack(region: str, gateway: GatewayEui) -> str:
    """What became of that, agent to network server."""
    return f"{region}/gateway/{gateway}/event/ack"


def conn(region: str, gateway: GatewayEui) -> str:
    """Whether the agent is connected (retained, with last will)."""
    return f"{region}/gateway/{gateway}/state/conn"


def live(gateway: GatewayEui) -> str:
    """Live frames of every kind but `lorawan`."""
    return f"khaen/gateway/{gateway}/live"


def backlog(gateway: GatewayEui) -> str:
    """Late frames and resent ones, any kind; only Khaen reads it."""
    return f"khaen/gateway/{gateway}/backlog"


def receipt(gateway: GatewayEui) -> str:
    """What is committed (retained), ingest to agent."""
    return f"khaen/gateway/{gateway}/receipt"


def status(gateway: GatewayEui) -> str:
    """How the agent is (retained)."""
    return f"khaen/gateway/{gateway}/status"


def configuration(gateway: GatewayEui) -> str:
    """What lies over the gateway's own settings (retained), deploy to agent."""
    return f"khaen/gateway/{gateway}/config"


def configuration_state(gateway: GatewayEui) -> str:
    """What became of that (retained), agent to deploy."""
    return f"khaen/gateway/{gateway}/config/state"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTopic:
    """A gateway's message: `prefix` is `khaen` or the region, `leaf` what follows the EUI."""

    prefix: str
    gateway: GatewayEui
    leaf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationTopic:
    """A network server's event about one device."""

    application: str
    dev_eui: DevEui
    event: str


def parse(topic: str) -> GatewayTopic | ApplicationTopic:
    """Take a topic apart. Raises WireError `unknown_topic` or `bad_eui`."""
    parts = topic.split("/")
    try:
        match parts:
            case [prefix, "gateway", eui, *leaf] if leaf:
                gateway = parse_gateway_eui(eui)
                return GatewayTopic(prefix=prefix, gateway=gateway, leaf="/".join(leaf))
            case ["application", application, "device", eui, "event", event]:
                return ApplicationTopic(
                    application=application, dev_eui=parse_dev_eui(eui), event=event
                )
    except ValueError as error:
        raise WireError("bad_eui", str(error)) from error
    raise WireError("unknown_topic", topic)
