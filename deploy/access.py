"""Who may do what on the broker: one account per client, each with its own topics and secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from deploy.files import private_folder, read_or_make
from khaen import topics
from khaen.files import write_private
from khaen.ids import GatewayEui
from khaen.site.model import Site

INGEST = "ingest"
NETWORK_SERVER = "network-server"
RECORDER = "recorder"
DEPLOY = "deploy"
"""Who configures gateways from afar: whoever has its password rules all of the site's agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A client of the broker: topic filters that it may publish to, and read."""

    name: str
    publish: tuple[str, ...]
    read: tuple[str, ...]


def gateway_account(eui: GatewayEui) -> str:
    """The user name of a gateway's agent."""
    return f"gateway-{eui}"


def accounts(site: Site) -> tuple[Account, ...]:
    """The accounts of a site's broker (docs/wire.md has the topics)."""
    region = site.lorawan.topic_prefix
    found = [_gateway(region, gateway.eui) for gateway in site.gateways]
    found.append(
        Account(
            name=INGEST,
            publish=(
                "khaen/gateway/+/receipt",
                "khaen/priority",
                "application/+/device/+/command/down",
            ),
            read=(
                "+/gateway/+/event/+",
                "+/gateway/+/state/+",
                "khaen/gateway/+/live",
                "khaen/gateway/+/backlog",
                "khaen/gateway/+/status",
                "application/+/device/+/event/+",
            ),
        )
    )
    found.append(Account(name=RECORDER, publish=(), read=topics.ALL))
    found.append(
        Account(
            name=DEPLOY,
            publish=("khaen/gateway/+/config",),
            read=("khaen/gateway/+/config/state", "khaen/gateway/+/status"),
        )
    )
    if site.lorawan.network_server:
        found.append(
            Account(
                name=NETWORK_SERVER,
                publish=(f"{region}/gateway/+/command/+", "application/+/device/+/event/+"),
                read=(
                    f"{region}/gateway/+/event/+",
                    f"{region}/gateway/+/state/+",
                    "application/+/device/+/command/+",
                ),
            )
        )
    return tuple(found)


def _gateway(region: str, eui: GatewayEui) -> Account:
    own, theirs = f"khaen/gateway/{eui}", f"{region}/gateway/{eui}"
    return Account(
        name=gateway_account(eui),
        publish=(
            f"{theirs}/event/+",
            f"{theirs}/state/+",
            f"{own}/live",
            f"{own}/backlog",
            f"{own}/status",
            f"{own}/config/state",
        ),
        read=(
            f"{theirs}/command/+",
            f"{own}/receipt",
            f"{own}/config",
            f"{own}/status",
            "khaen/priority",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the secrets of the broker's clients are: `clients/NAME/password`, mode 0600."""

    folder: Path

    def password_file(self, name: str) -> Path:
        """The file of one client."""
        return self.folder / name / "password"

    def password(self, name: str) -> str:
        """The client's password; made at its first use. Raises NotRunnable."""
        private_folder(self.folder)
        private_folder(self.folder / name)
        made = secrets.token_urlsafe(32).encode() + b"\n"
        return read_or_make(self.password_file(name), lambda: made).decode().strip()

    def write_options(self, name: str, host: str, port: int) -> Path:
        """Write what `mosquitto_pub` and `mosquitto_sub` read, and return the folder.

        With XDG_CONFIG_HOME set to it, a plain `mosquitto_pub -t … -f …` is this client, and no
        secret stands on a command line.
        """
        lines = [f"-h {host}", f"-p {port}", f"-u {name}", f"-P {self.password(name)}", "-q 1"]
        folder = self.folder / name
        for program in ("mosquitto_pub", "mosquitto_sub"):
            write_private(folder / program, "\n".join(lines).encode() + b"\n")
        return folder
