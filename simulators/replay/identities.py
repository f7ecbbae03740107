"""Whom a replay is about: the recorded devices and gateways, and those that stand for them."""

from __future__ import annotations

import csv
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui, Epoch, GatewayEui, parse_dev_eui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site.loader import Loaded

PREFIX: Final = "01000000/8"
"""Addresses that stand for others: of the private NetID 000000, which needs no lease."""
_LOCAL: Final = "0a"
"""First byte of an EUI that stands for another: locally administered, unlike those of made-up sites
(02) and of twins (06).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device that stands for a recorded one. Without address and keys only events can be its."""

    dev_eui: DevEui
    dev_addr: DevAddr | None = None
    keys: SessionKeys | None = None

    def cipher(self) -> SessionCipher | None:
        """What seals its frames."""
        if self.dev_addr is None or self.keys is None:
            return None
        return SessionCipher(
            dev_addr=self.dev_addr, nwk_s_key=self.keys.nwk_s_key, app_s_key=self.keys.app_s_key
        )


class Identities(Protocol):
    """Who stands for whom."""

    anonymous: bool
    """Whether whatever could name somebody has to go."""

    def gateway(self, eui: GatewayEui) -> GatewayEui:
        """The gateway that stands for this one."""

    def device(self, dev_eui: DevEui) -> Target | None:
        """The device that stands for this one; None where it stays itself."""

    def application(self, name: str) -> str:
        """The application in whose name a network server speaks."""

    def epoch(self, epoch: Epoch) -> Epoch:
        """The life of an outbox that stands for this one."""


class Mapped:
    """By a table of `from,to`; whoever is not in it stays. `into` has the targets' keys."""

    anonymous = False

    def __init__(self, table: Mapping[str, str], into: Loaded | None = None) -> None:
        self._table = table
        self._targets: dict[str, Target] = {}
        devices = into.site.devices if into else ()
        for device in devices:
            self._targets[device.dev_eui] = Target(
                dev_eui=device.dev_eui,
                dev_addr=device.dev_addr,
                keys=into.keys.get(device.dev_eui) if into else None,
            )

    def gateway(self, eui: GatewayEui) -> GatewayEui:
        """As Identities.gateway."""
        return GatewayEui(self._table.get(eui, eui))

    def device(self, dev_eui: DevEui) -> Target | None:
        """As Identities.device."""
        to = self._table.get(dev_eui)
        return None if to is None else self._targets.get(to) or Target(dev_eui=DevEui(to))

    def application(self, name: str) -> str:
        """As Identities.application."""
        return name

    def epoch(self, epoch: Epoch) -> Epoch:
        """As Identities.epoch."""
        return epoch


class Anonymous:
    """By a secret seed: the same one gives the same ones, without it nobody finds the way back.

    HMAC-SHA-256 of the recorded identity under the seed (RFC 2104).
    """

    anonymous = True

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._devices: dict[DevEui, Target] = {}
        self._gateways: dict[GatewayEui, GatewayEui] = {}

    @property
    def devices(self) -> Mapping[DevEui, Target]:
        """Those that were asked for so far."""
        return self._devices

    @property
    def gateways(self) -> Mapping[GatewayEui, GatewayEui]:
        """Those that were asked for so far."""
        return self._gateways

    def gateway(self, eui: GatewayEui) -> GatewayEui:
        """As Identities.gateway."""
        if eui not in self._gateways:
            self._gateways[eui] = GatewayEui(_LOCAL + self.digest("gateway", eui)[:14])
        return self._gateways[eui]

    def device(self, dev_eui: DevEui) -> Target:
        """As Identities.device."""
        found = self._devices.get(dev_eui)
        if found is None:
            found = self._devices[dev_eui] = Target(
                dev_eui=DevEui(_LOCAL + self.digest("device", dev_eui)[:14]),
                dev_addr=DevAddr(PREFIX[:2] + self.digest("address", dev_eui)[:6]),
                keys=SessionKeys(
                    nwk_s_key=bytes.fromhex(self.digest("nwk_s_key", dev_eui)[:32]),
                    app_s_key=bytes.fromhex(self.digest("app_s_key", dev_eui)[:32]),
                ),
            )
        return found

    def application(self, name: str) -> str:
        """As Identities.application."""
        return str(uuid.UUID(self.digest("application", name)[:32], version=4))

    def epoch(self, epoch: Epoch) -> Epoch:
        """As Identities.epoch."""
        return Epoch(self.digest("epoch", epoch)[:16])

    def digest(self, purpose: str, name: str) -> str:
        """64 hexadecimal digits that stand for a name."""
        return hmac.new(self._seed, f"{purpose}|{name}".encode(), sha256).hexdigest()


def read_map(path: Path) -> dict[str, str]:
    """A CSV file of `from,to`: EUIs of gateways and of devices. Raises SettingsError."""
    found: dict[str, str] = {}
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells == ["from", "to"]:
            continue
        try:
            before, after = (parse_dev_eui(cell) for cell in cells)
        except ValueError as error:
            raise SettingsError(f"{path}:{number}: write two EUIs, `from,to`: {error}") from error
        if before in found:
            raise SettingsError(f"{path}:{number}: {before} is named already; take one row out")
        found[before] = after
    return found
