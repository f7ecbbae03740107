"""Which ports the programs of a site take."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from deploy.machine import free_port, is_free, take_port
from khaen.ids import GatewayEui
from khaen.site.model import Site

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The ports that were asked for; 0 takes any free one. Metrics yield where they are taken."""

    mqtt: int = 1883
    console: int = 8080
    edge: int = 9101
    ingest: int = 9102
    alarms: int = 9103
    udp: int | None = None
    """For all agents, in place of the site file's: 0 for any free ones."""


ANY = Wanted(mqtt=0, console=0, edge=0, ingest=0, alarms=0, udp=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports that were free a moment ago, and are kept over restarts of a program."""

    mqtt: int
    console: int
    ingest: int
    alarms: int
    udp: dict[GatewayEui, int]
    edge: dict[GatewayEui, int]


def take(site: Site, wanted: Wanted, *, mqtt_host: str, console_host: str) -> Ports:
    """Choose the ports. Raises NotRunnable for one that was asked for and is taken."""
    udp: dict[GatewayEui, int] = {}
    edge: dict[GatewayEui, int] = {}
    for gateway in site.gateways:
        if gateway.agent is None:
            continue
        asked = gateway.agent.udp_port if wanted.udp is None else wanted.udp
        udp[gateway.eui] = take_port(
            gateway.agent.udp_host,
            asked,
            what=f"agent of gateway {gateway.eui}",
            remedy="set another agent.udp_port in the site file (0 takes any free one)",
            kind=socket.SOCK_DGRAM,
        )
        edge[gateway.eui] = _yielding(0 if edge else wanted.edge)
    return Ports(
        mqtt=take_port(
            mqtt_host,
            wanted.mqtt,
            what="broker",
            remedy="choose another port: --mqtt-port PORT (0 takes any free one)",
        ),
        console=take_port(
            console_host,
            wanted.console,
            what="console",
            remedy="choose another port: --console-port PORT (0 takes any free one)",
        ),
        ingest=_yielding(wanted.ingest),
        alarms=_yielding(wanted.alarms),
        udp=udp,
        edge=edge,
    )


def _yielding(port: int) -> int:
    return port if port and is_free(LOOPBACK, port) else free_port(LOOPBACK)
