"""Which ports the programs of a site take."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.claims import UDP, Claims
from khaen.ids import GatewayEui
from khaen.site.model import Site

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The ports that were asked for; 0 takes any free one. Metrics yield where they are taken, and
    so does the console if `console_yields`.
    """

    mqtt: int = 1883
    console: int = 8080
    console_yields: bool = False
    edge: int = 9101
    ingest: int = 9102
    alarms: int = 9103
    udp: int | None = None
    """For all agents, in place of the site file's: 0 for any free ones."""


ANY = Wanted(mqtt=0, console=0, edge=0, ingest=0, alarms=0, udp=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports that are claimed for this site, and kept over restarts of a program."""

    mqtt: int
    console: int
    ingest: int
    alarms: int
    udp: dict[GatewayEui, int]
    edge: dict[GatewayEui, int]


def take(claims: Claims, site: Site, wanted: Wanted, *, mqtt_host: str, console_host: str) -> Ports:
    """Claim the ports. Raises NotRunnable for one that was asked for and is taken."""
    udp: dict[GatewayEui, int] = {}
    edge: dict[GatewayEui, int] = {}
    for gateway in site.gateways:
        if gateway.agent is None:
            continue
        asked = gateway.agent.udp_port if wanted.udp is None else wanted.udp
        udp[gateway.eui] = claims.take(
            gateway.agent.udp_host,
            asked,
            what=f"agent of gateway {gateway.eui}",
            remedy="set another agent.udp_port in the site file (0 takes any free one)",
            kind=UDP,
        )
        edge[gateway.eui] = claims.prefer(LOOPBACK, 0 if edge else wanted.edge)
    return Ports(
        mqtt=claims.take(
            mqtt_host,
            wanted.mqtt,
            what="broker",
            remedy="choose another port: --mqtt-port PORT (0 takes any free one)",
        ),
        console=_console(claims, wanted, console_host),
        ingest=claims.prefer(LOOPBACK, wanted.ingest),
        alarms=claims.prefer(LOOPBACK, wanted.alarms),
        udp=udp,
        edge=edge,
    )


def _console(claims: Claims, wanted: Wanted, host: str) -> int:
    if wanted.console_yields:
        return claims.prefer(host, wanted.console)
    return claims.take(
        host,
        wanted.console,
        what="console",
        remedy="choose another port: --console-port PORT (0 takes any free one)",
    )
