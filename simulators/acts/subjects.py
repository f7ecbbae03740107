"""To whom something can happen at a site, and the nearest name where there is no such one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from khaen.errors import KhaenError
from khaen.ids import DevEui, GatewayEui
from khaen.site.model import Site
from simulators.acts.vocabulary import Act

_NEAREST = 3
_SHORT = "gw-"


class UnknownSubject(KhaenError):
    """The site has no such resident, gateway or device; the text names the nearest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """The names of a site: residents with their bands, gateways in the order of the site file."""

    residents: Mapping[str, DevEui]
    gateways: tuple[GatewayEui, ...]
    devices: frozenset[DevEui]

    def gateway(self, name: str) -> GatewayEui:
        """The gateway `gw-2`, or with this EUI. Raises UnknownSubject."""
        plain = name.strip().lower().replace("-", "").replace(":", "")
        for number, eui in enumerate(self.gateways, start=1):
            if plain in (eui, f"gw{number}"):
                return eui
        names = [f"{_SHORT}{n}" for n in range(1, len(self.gateways) + 1)]
        raise _unknown("gateway", name, [*names, *self.gateways])

    def resident(self, name: str) -> DevEui:
        """The band of a resident. Raises UnknownSubject."""
        if name not in self.residents:
            raise _unknown("resident with a wristband", name, sorted(self.residents))
        return self.residents[name]

    def device(self, name: str) -> DevEui:
        """The device with this DevEUI. Raises UnknownSubject."""
        plain = DevEui(name.strip().lower().replace("-", "").replace(":", ""))
        if plain not in self.devices:
            raise _unknown("device", name, sorted(self.devices))
        return plain

    def short(self, gateway: GatewayEui) -> str:
        """`gw-2`."""
        return f"{_SHORT}{self.gateways.index(gateway) + 1}"

    def names(self) -> dict[str, str]:
        """The EUI by each name that a gateway or a resident's band has."""
        gateways = {f"{_SHORT}{n}": str(eui) for n, eui in enumerate(self.gateways, start=1)}
        return gateways | {name: str(eui) for name, eui in self.residents.items()}

    def check(self, act: Act) -> None:
        """Raise UnknownSubject where the site has not whom the act befalls."""
        match act.subject():
            case ("resident", name):
                self.resident(name)
            case ("gateway", name):
                self.gateway(name)
            case ("device", name):
                self.device(name)


def find_subjects(site: Site) -> Subjects:
    """Whom a site file names."""
    return Subjects(
        residents={d.resident: d.dev_eui for d in site.devices if d.resident is not None},
        gateways=tuple(gateway.eui for gateway in site.gateways),
        devices=frozenset(device.dev_eui for device in site.devices),
    )


def _unknown(what: str, name: str, known: Iterable[str]) -> UnknownSubject:
    names = list(known)
    near = get_close_matches(name, names, n=_NEAREST, cutoff=0.4) or names[:_NEAREST]
    there = f"; near it: {', '.join(near)}" if near else "; the site has none"
    return UnknownSubject(f"the site has no {what} {name!r}{there}")
