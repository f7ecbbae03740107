"""Sites of any size that are made up: towers, communities, elders and sensors over a province.

The districts are real, everything in them is drawn from the seed, and nobody is real. EUIs are
locally administered, DevAddrs of the private NetID 000000, apart from those of the demonstration.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.site.model import (
    Agent,
    Device,
    Gateway,
    LoraWan,
    Organisation,
    Place,
    Position,
    Site,
    Text,
)
from simulators.air.propagation import distance_km, noise_floor, path_loss, shadow
from simulators.air.radio import GATEWAY_GAIN, MARGIN, REQUIRED_SNR
from simulators.sites.demonstration import (
    SENSOR_EIRP,
    WRIST_EIRP,
    WRISTBAND,
    Demonstration,
    make_join_keys,
    make_keys,
)
from simulators.sites.districts import DISTRICTS, District

MOST: Final = 100_000
"""Devices that one site may have."""
_PREFIX: Final = "01800000/9"
_ROOT: Final = "khonkaen"
_PROVINCE: Final = ("เครือข่ายดูแลผู้สูงอายุขอนแก่น (จำลอง)", "Khon Kaen elder care network (simulated)")
_TOWERS: Final = (
    ("water tower", 36.0),
    ("hospital", 30.0),
    ("temple", 24.0),
    ("school", 22.0),
    ("town hall", 28.0),
    ("radio mast", 45.0),
)
"""Where gateways stand, and the height of the antenna in metres."""
_APART_KM: Final = 2.6
"""From a tower to the next, roughly."""
_GOLDEN: Final = math.pi * (3.0 - math.sqrt(5.0))
"""Radians between two towers as seen from the middle: so they spread without overlapping."""
_COMMUNITY: Final = 60
"""Devices, of which a tower has several communities."""
_COMMUNITIES: Final = 6
_FAR_KM: Final = 1.6
_SPREAD_KM: Final = 0.25
_TRIES: Final = 12
_TRACKER: Final = "digital_matter_g62"
_WITH_BUSES: Final = frozenset({"mueang", "chum-phae"})
"""Districts that have lines of buses; the first tower stands in one."""
# How many of each family there are of a hundred sensors, and metres above ground.
_SHARES: Final[Mapping[str, tuple[int, float]]] = {
    "milesight_em400_mud": (22, 1.0),
    "milesight_ws558": (14, 3.0),
    "milesight_em300_th": (13, 2.0),
    "decentlab_dl_pm": (11, 4.0),
    "milesight_em500_swl": (11, 1.0),
    "milesight_ws523": (9, 2.0),
    "milesight_ws101": (6, 1.5),
    "milesight_ws201": (5, 1.0),
    "milesight_wts506": (5, 6.0),
    _TRACKER: (4, 2.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tower:
    gateway: Gateway
    position: Position
    communities: tuple[Place, ...]


def make_up(
    seed: int, *, elders: int, gateways: int, sensors: int, otaa: bool = False
) -> Demonstration:
    """Make up a site; the same arguments give the same site.

    With `otaa` no device has an address or a session, but keys with which a network server lets it
    join. Raises SettingsError for sizes that cannot be.
    """
    if min(elders, sensors) < 0 or gateways < 1 or elders + sensors > MOST:
        raise SettingsError(
            f"a site of {elders} elders, {sensors} sensors and {gateways} gateways cannot be made "
            f"up: it has one gateway at least, and {MOST:,} devices at most"
        )
    share = math.ceil((elders + sensors) / gateways)
    towers = tuple(_towers(seed, gateways, share))
    devices = tuple(_devices(seed, towers, elders, sensors, otaa=otaa))
    used = [district for district in DISTRICTS if any(_stands(t, district) for t in towers)]
    site = Site(
        site=f"khonkaen-{elders}-{gateways}-{sensors}",
        name=Text(th="ขอนแก่น (จำลอง)", en="Khon Kaen (simulated)"),
        lorawan=LoraWan(prefixes=(_PREFIX,), network_server=otaa),
        organisations=tuple(_organisations(used)),
        places=tuple(place for tower in towers for place in tower.communities),
        gateways=tuple(tower.gateway for tower in towers),
        devices=devices,
        keys_file=None if otaa else Path("keys.csv"),
    )
    euis = [device.dev_eui for device in devices]
    return Demonstration(
        site=site,
        keys={} if otaa else {dev_eui: make_keys(dev_eui, seed) for dev_eui in euis},
        seed=seed,
        join_keys={dev_eui: make_join_keys(dev_eui, seed) for dev_eui in euis} if otaa else {},
    )


def _organisations(districts: Sequence[District]) -> Iterator[Organisation]:
    yield Organisation(id=_ROOT, name=Text(th=_PROVINCE[0], en=_PROVINCE[1]), simulated=True)
    for district in districts:
        yield Organisation(
            id=f"{district.id}-district",
            name=Text(th=f"อำเภอ{district.th} (จำลอง)", en=f"{district.en} District (simulated)"),
            parent=_ROOT,
            simulated=True,
        )
        yield Organisation(
            id=district.id,
            name=Text(
                th=f"เทศบาล{district.th} (จำลอง)", en=f"{district.en} Municipality (simulated)"
            ),
            parent=f"{district.id}-district",
            simulated=True,
        )


def _stands(tower: _Tower, district: District) -> bool:
    return tower.gateway.organisation == district.id


def _towers(seed: int, gateways: int, share: int) -> Iterator[_Tower]:
    """Towers where people are (D'Hondt's divisors), in rings around the district's seat."""
    standing = dict.fromkeys(DISTRICTS, 0)
    queue: list[tuple[float, int]] = [
        (-district.people, number) for number, district in enumerate(DISTRICTS)
    ]
    for number in range(1, gateways + 1):
        _, index = queue[0]
        district = DISTRICTS[index]
        standing[district] += 1
        heapq.heapreplace(queue, (-district.people / (standing[district] + 1), index))
        yield _tower(seed, number, district, standing[district], share)


def _tower(seed: int, number: int, district: District, nth: int, share: int) -> _Tower:
    rng = Random(f"{seed}|tower|{number}")
    middle = Position(latitude=district.latitude, longitude=district.longitude)
    turn = Random(f"{seed}|turn|{district.id}").uniform(0.0, 2 * math.pi) + nth * _GOLDEN
    away = _APART_KM * math.sqrt(nth - 1) * rng.uniform(0.85, 1.15)
    stands_on, height = _TOWERS[(nth - 1 + district.people) % len(_TOWERS)]
    position = _beside(middle, away * math.sin(turn), away * math.cos(turn), height)
    communities = min(_COMMUNITIES, 1 + share // _COMMUNITY)
    places = tuple(
        Place(
            id=f"{district.id}-{nth}-{index}",
            organisation=district.id,
            name=Text(
                th=f"ชุมชน{district.th} {nth}/{index}", en=f"{district.en} community {nth}/{index}"
            ),
            position=_around(rng, position, _FAR_KM if communities > 1 else 0.3),
        )
        for index in range(1, communities + 1)
    )
    gateway = Gateway(
        eui=GatewayEui(f"024b4bfffe{0x100000 + number:06x}"),
        name=f"{district.en} {stands_on} {nth}",
        organisation=district.id,
        place=places[0].id,
        position=position,
        simulated=True,
        agent=Agent(udp_port=0),
    )
    return _Tower(gateway=gateway, position=position, communities=places)


def _devices(
    seed: int, towers: Sequence[_Tower], elders: int, sensors: int, *, otaa: bool
) -> Iterator[Device]:
    families = _families(sensors)
    with_buses = [tower for tower in towers if tower.gateway.organisation in _WITH_BUSES]
    for number in range(1, elders + sensors + 1):
        elder = number <= elders
        family, height = (WRISTBAND, 1.0) if elder else next(families)
        turn = number - 1 if elder else number - elders - 1
        there = with_buses if family == _TRACKER else towers
        tower = there[turn % len(there)]
        place = tower.communities[turn // len(there) % len(tower.communities)]
        yield Device(
            dev_eui=DevEui(f"024b4b01{number:08x}"),
            family=family,
            organisation=place.organisation,
            place=place.id,
            resident=f"R-{number:04d}" if elder else None,
            dev_addr=None if otaa else DevAddr(f"{0x01800000 + number:08x}"),
            position=_settle(seed, number, tower, place, height, elder=elder),
        )


def _families(sensors: int) -> Iterator[tuple[str, float]]:
    """As many of each family as its share says, mixed."""
    queue: list[tuple[float, str]] = [(-share, family) for family, (share, _) in _SHARES.items()]
    heapq.heapify(queue)
    given = dict.fromkeys(_SHARES, 0)
    for _ in range(sensors):
        _, family = queue[0]
        given[family] += 1
        share, height = _SHARES[family]
        heapq.heapreplace(queue, (-share / (given[family] + 1), family))
        yield family, height


def _settle(
    seed: int, number: int, tower: _Tower, place: Place, height: float, *, elder: bool
) -> Position:
    """A spot of a community that its tower hears, as whoever installs it looks for; nearer to the
    tower with each try.
    """
    rng = Random(f"{seed}|spot|{number}")
    eirp, slowest = (WRIST_EIRP, 10) if elder else (SENSOR_EIRP, 9)
    middle = place.position or tower.position
    spot = _around(rng, middle, _SPREAD_KM, height)
    for attempt in range(_TRIES):
        loss = path_loss(
            distance_km(spot, tower.position), base=tower.position.height, mobile=height
        ) + shadow(seed, tower.gateway.eui, spot)
        snr = eirp + GATEWAY_GAIN - loss - noise_floor(125_000)
        if snr >= REQUIRED_SNR[slowest] + MARGIN:
            break
        nearer = (attempt + 1) / _TRIES
        between = Position(
            latitude=middle.latitude + (tower.position.latitude - middle.latitude) * nearer,
            longitude=middle.longitude + (tower.position.longitude - middle.longitude) * nearer,
        )
        spot = _around(rng, between, _SPREAD_KM, height)
    return spot


def _around(rng: Random, middle: Position, spread: float, height: float = 1.0) -> Position:
    far, angle = spread * math.sqrt(rng.uniform(0.05, 1.6)), rng.uniform(0.0, 2 * math.pi)
    return _beside(middle, far * math.sin(angle), far * math.cos(angle), height)


def _beside(middle: Position, east: float, north: float, height: float) -> Position:
    """So many km from a middle, rounded to a metre."""
    return Position(
        latitude=round(middle.latitude + north / 111.2, 5),
        longitude=round(
            middle.longitude + east / 111.2 / math.cos(math.radians(middle.latitude)), 5
        ),
        height=height,
    )
