"""The site file of those who stand for others: simulated throughout, so that it takes the replay.

Organisations and places keep their shape and lose their names; places lie scattered by the seed
around a made-up middle, so that no map can be laid over them. Plans and addresses of people are
left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Final

from khaen.ids import DevEui
from khaen.site.model import Device, Gateway, LoraWan, Organisation, Place, Position, Site, Text
from simulators.replay.identities import PREFIX, Anonymous
from simulators.replay.scrub import REGION
from simulators.sites.demonstration import Demonstration, write_site

SITE: Final = "anonymous-replay"
_MIDDLE: Final = (16.44, 102.83)
"""Khon Kaen; nothing of the recorded site lies here but by chance."""
_SPREAD: Final = 0.03
"""Degrees, 3 km."""
_HEAD: Final = """\
# A simulated site, for an anonymous replay: whoever is in it stands for somebody else, and nobody
# is paged because of it. Made by `khaen replay --anonymise … --site-out`.
"""


def make_site(anonymous: Anonymous, source: Site) -> Demonstration:
    """The site of all who were replayed and are devices or gateways of `source`."""
    devices = [d for d in source.devices if d.dev_eui in anonymous.devices]
    gateways = sorted(
        (g for g in source.gateways if g.eui in anonymous.gateways),
        key=lambda gateway: anonymous.gateway(gateway.eui),
    )
    members: list[Device | Gateway] = [*devices, *gateways]

    def order(one: Organisation | Place) -> str:
        return anonymous.digest("order", one.id)

    # Numbers follow the new names: the recorded order would tell who is who.
    owners = sorted(_with_parents(source, {member.organisation for member in members}), key=order)
    organisations = {o.id: f"organisation-{n}" for n, o in enumerate(owners, start=1)}
    used = {member.place for member in members}
    scenes = sorted((place for place in source.places if place.id in used), key=order)
    places = {place.id: f"place-{number}" for number, place in enumerate(scenes, start=1)}
    made = Site(
        site=SITE,
        name=Text(th="การเล่นซ้ำแบบไม่ระบุตัวตน (จำลอง)", en="Anonymous replay (simulated)"),
        lorawan=LoraWan(
            topic_prefix=REGION,
            prefixes=(PREFIX,),
            network_server=source.lorawan.network_server,
        ),
        organisations=tuple(
            _organisation(organisation, organisations, number)
            for number, organisation in enumerate(owners, start=1)
        ),
        places=tuple(
            Place(
                id=places[place.id],
                organisation=organisations[place.organisation],
                name=Text(th=f"สถานที่ {number}", en=f"Place {number}"),
                position=_scatter(anonymous, f"place|{place.id}"),
            )
            for number, place in enumerate(scenes, start=1)
        ),
        gateways=tuple(
            Gateway(
                eui=anonymous.gateway(gateway.eui),
                name=f"Gateway {number}",
                organisation=organisations[gateway.organisation],
                place=places.get(gateway.place or ""),
                position=_scatter(anonymous, f"gateway|{gateway.eui}"),
                simulated=True,
            )
            for number, gateway in enumerate(gateways, start=1)
        ),
        devices=tuple(_devices(anonymous, devices, organisations, places)),
        rules=source.rules,
        keys_file=Path("keys.csv"),
    )
    targets = [anonymous.device(device.dev_eui) for device in devices]
    keys = {target.dev_eui: target.keys for target in targets if target.keys is not None}
    return Demonstration(site=made, keys=keys, seed=0)


def write(made: Demonstration, folder: Path) -> Path:
    """Write site.yaml, its lists and keys; the path of site.yaml. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write_site(made, folder)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    path.write_text(_HEAD + text, encoding="utf-8")
    return path


def _with_parents(source: Site, wanted: set[str]) -> list[Organisation]:
    """These organisations and all above them."""
    by_id = {organisation.id: organisation for organisation in source.organisations}
    kept: set[str] = set()
    for name in wanted:
        current: str | None = name
        while current is not None and current not in kept:
            kept.add(current)
            current = by_id[current].parent
    return [organisation for organisation in source.organisations if organisation.id in kept]


def _organisation(found: Organisation, names: dict[str, str], number: int) -> Organisation:
    return Organisation(
        id=names[found.id],
        name=Text(th=f"หน่วยงาน {number} (จำลอง)", en=f"Organisation {number} (simulated)"),
        parent=names[found.parent] if found.parent else None,
        simulated=True,
    )


def _devices(
    anonymous: Anonymous,
    devices: Iterable[Device],
    organisations: dict[str, str],
    places: dict[str, str],
) -> Iterable[Device]:
    """In the order of their new names, which tells nothing of the old."""
    residents: dict[str, str] = {}

    def order(device: Device) -> DevEui:
        return anonymous.device(device.dev_eui).dev_eui

    for device in sorted(devices, key=order):
        target = anonymous.device(device.dev_eui)
        if device.resident is not None:
            residents.setdefault(device.resident, f"R-{len(residents) + 1:04}")
        yield Device(
            dev_eui=target.dev_eui,
            family=device.family,
            organisation=organisations[device.organisation],
            place=places.get(device.place or ""),
            resident=residents.get(device.resident or ""),
            dev_addr=target.dev_addr,
            # One that joined again counts anew, under the one address that it has here.
            counter=device.counter if device.dev_addr else "restarts",
        )


def _scatter(anonymous: Anonymous, what: str) -> Position:
    random = Random(anonymous.digest("position", what))
    latitude, longitude = (
        round(middle + random.uniform(-_SPREAD, _SPREAD), 5) for middle in _MIDDLE
    )
    return Position(latitude=latitude, longitude=longitude)
