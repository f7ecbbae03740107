"""A simulated site in the likeness of another: same places and people's rhythm, nobody's identity.

What is imitated beside a real site must not be taken for it: gateways, devices and addresses get
EUIs and DevAddrs of their own (locally administered, private NetID 000000), keys come from the
seed and are no secrets, every organisation is simulated, and no plan or address of a person is
taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui, GatewayEui, parse_slug
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Agent, Device, Gateway, LoraWan, Site
from simulators.mac import JoinKeys
from simulators.sites.demonstration import make_keys

T = TypeVar("T", Device, Gateway)
PREFIX: Final = "01200000/11"
"""Two million addresses of the private NetID 000000, apart from those of sites that are made up."""
_FIRST: Final = 0x01200000
_SUFFIX: Final = "-twin"
_LOCAL: Final = "06"
"""An EUI's first byte: locally administered, and not that of sites that are made up (02)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A site that may be imitated, with the keys of its devices. `joined` are those that have no
    DevAddr in the site file and were given one: a network server would have them join. `join_keys`
    are of those that do.
    """

    site: Site
    keys: Mapping[DevEui, SessionKeys]
    joined: frozenset[DevEui] = frozenset()
    join_keys: Mapping[DevEui, JoinKeys] = field(default_factory=dict)


def check_simulated(site: Site) -> None:
    """Raise SettingsError where an organisation is real: nobody else may speak for its devices."""
    for organisation in site.organisations:
        if not organisation.simulated:
            raise SettingsError(
                f"site {site.site}: organisation {organisation.id} is real, so its devices are not "
                "imitated under their own names; say --as-simulated for a twin with other EUIs and "
                "keys, or write `simulated: true` in the site file"
            )


def twin_of(site: Site, *, seed: int) -> Simulated:
    """The simulated twin of a site; the same seed gives the same twin."""
    name = parse_slug(site.site[: 64 - len(_SUFFIX)] + _SUFFIX)
    gateways = tuple(
        gateway.model_copy(
            update={
                "eui": GatewayEui(_eui(seed, "gateway", gateway.eui)),
                "simulated": True,
                "agent": Agent(udp_port=0),
            }
        )
        for gateway in site.gateways
    )
    devices = tuple(
        device.model_copy(update={"dev_eui": DevEui(_eui(seed, "device", device.dev_eui))})
        for device in site.devices
    )
    organisations = tuple(
        organisation.model_copy(update={"simulated": True, "plan": None})
        for organisation in site.organisations
    )
    twin = site.model_copy(
        update={
            "site": name,
            "lorawan": LoraWan(topic_prefix=site.lorawan.topic_prefix, prefixes=(PREFIX,)),
            "organisations": organisations,
            "gateways": gateways,
            "devices": tuple(_address(devices)),
            "plans": (),
            "addresses": (),
            "keys_file": Path("keys.csv"),
        }
    )
    twin = Site.model_validate(twin.model_dump())
    joined = frozenset(
        made.dev_eui
        for made, real in zip(twin.devices, site.devices, strict=True)
        if real.dev_addr is None
    )
    return Simulated(site=twin, keys=_keys(twin.devices, seed), joined=joined)


def join_all(simulated: Simulated, *, seed: int) -> Simulated:
    """The same site after every device without a session has joined; keys that nobody gave come
    from the seed.
    """
    site = simulated.site
    joined = frozenset(device.dev_eui for device in site.devices if device.dev_addr is None)
    lorawan = site.lorawan
    if joined and PREFIX not in lorawan.prefixes:
        lorawan = lorawan.model_copy(update={"prefixes": (*lorawan.prefixes, PREFIX)})
    taken = frozenset(device.dev_addr for device in site.devices if device.dev_addr is not None)
    devices = tuple(_address(site.devices, taken))
    site = site.model_copy(update={"lorawan": lorawan, "devices": devices})
    keys = {**_keys(site.devices, seed), **simulated.keys}
    return Simulated(site=site, keys=keys, joined=joined | simulated.joined)


def settle(site: Site) -> Site:
    """The same site with the position of its place for whatever has none of its own."""
    places = {place.id: place.position for place in site.places}

    def stand(entry: T) -> T:
        if entry.position is not None or entry.place is None or places[entry.place] is None:
            return entry
        return entry.model_copy(update={"position": places[entry.place]})

    gateways, devices = map(stand, site.gateways), map(stand, site.devices)
    return site.model_copy(update={"gateways": tuple(gateways), "devices": tuple(devices)})


def give_agents(simulated: Simulated) -> Simulated:
    """The same site with an agent on this machine for every gateway, each by any free port."""
    gateways = tuple(
        gateway.model_copy(update={"agent": Agent(udp_port=0)})
        for gateway in simulated.site.gateways
    )
    return replace(simulated, site=simulated.site.model_copy(update={"gateways": gateways}))


def _address(
    devices: tuple[Device, ...], taken: frozenset[DevAddr | None] | None = None
) -> list[Device]:
    """Give devices addresses, in their order: all of them, or those that have none of `taken`."""
    found, number = [], 0
    for device in devices:
        if taken is not None and device.dev_addr is not None:
            found.append(device)
            continue
        number += 1
        while taken is not None and _numbered(number) in taken:
            number += 1
        found.append(device.model_copy(update={"dev_addr": _numbered(number)}))
    return found


def _numbered(number: int) -> DevAddr:
    return DevAddr(f"{_FIRST + number:08x}")


def _keys(devices: Iterable[Device], seed: int) -> dict[DevEui, SessionKeys]:
    return {device.dev_eui: make_keys(device.dev_eui, seed) for device in devices}


def _eui(seed: int, kind: str, eui: str) -> str:
    digest = sha256(f"{seed}|twin {kind}|{eui}".encode()).hexdigest()
    return _LOCAL + digest[:14]
