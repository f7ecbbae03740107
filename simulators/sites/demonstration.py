"""The demonstration site: Khon Kaen city and Chum Phae district, all of it simulated.

Three gateways, forty elders with wristbands, twenty sensors of the city, as a site file would
describe them. The places are real, nobody who lives in them is. EUIs are locally administered
(second bit of the first byte), DevAddrs of the private NetID 000000; keys come from the seed, so
they are no secrets.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from khaen.ids import DevEui, parse_dev_addr, parse_dev_eui, parse_gateway_eui
from khaen.lorawan.join import SessionKeys
from khaen.site import keys as keys_file
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
from simulators.air.radio import Radio
from simulators.mac import JoinKeys

SITE_ID: Final = "khonkaen-demo"
WRISTBAND: Final = "khaen_wristband"
JOIN_EUI: Final = "024b4b0000000000"
WRIST_EIRP: Final = 10.0
"""dBm: 16 of the band, less what the body takes."""
SENSOR_EIRP: Final = 16.0
CALLER: Final = "R-0012"
"""The elder of the story who calls: two gateways hear her well."""
FALLER: Final = "R-0033"
"""The elder of the story who falls."""
CUT_GATEWAY: Final = 1
"""The gateway of the story whose backhaul is cut, by its place in the list."""
FALL_RULE: Final = {"cancel_s": 5.0, "still_s": 10.0}
"""Shorter than real bands are set (30 and 60 s), so that a fall fits into a minute's story."""
_PREFIX: Final = "014b0000/16"
_REACH_KM: Final = 0.45
"""σ of how far homes and sensors lie from the middle of their place."""
_TRIES: Final = 1000

_ROOT, _CITY, _DISTRICT, _TOWN = "khonkaen", "khonkaen-city", "chumphae", "chumphae-town"
_ORGANISATIONS = (
    (_ROOT, None, "เครือข่ายดูแลผู้สูงอายุขอนแก่น (จำลอง)", "Khon Kaen elder care network (simulated)"),
    (_CITY, _ROOT, "เทศบาลนครขอนแก่น (จำลอง)", "Khon Kaen City Municipality (simulated)"),
    (_DISTRICT, _ROOT, "อำเภอชุมแพ (จำลอง)", "Chum Phae District (simulated)"),
    (_TOWN, _DISTRICT, "เทศบาลเมืองชุมแพ (จำลอง)", "Chum Phae Town Municipality (simulated)"),
)
# Id, organisation, Thai, English, latitude, longitude, elders.
_PLACES = (
    ("kku", _CITY, "มหาวิทยาลัยขอนแก่น", "Khon Kaen University", 16.4745, 102.8226, 0),
    ("bueng-kaen-nakhon", _CITY, "บึงแก่นนคร", "Bueng Kaen Nakhon", 16.4158, 102.8394, 0),
    ("nong-waeng", _CITY, "ชุมชนหนองแวง", "Nong Waeng community", 16.4095, 102.8370, 6),
    ("sam-liam", _CITY, "ชุมชนสามเหลี่ยม", "Sam Liam community", 16.4440, 102.8290, 6),
    ("non-than", _CITY, "ชุมชนโนนทัน", "Non Than community", 16.4262, 102.8468, 5),
    ("non-chai", _CITY, "ชุมชนโนนชัย", "Non Chai community", 16.4560, 102.8300, 5),
    ("theparak", _CITY, "ชุมชนเทพารักษ์", "Theparak community", 16.4362, 102.8420, 4),
    ("chumphae-hospital", _TOWN, "โรงพยาบาลชุมแพ", "Chum Phae Hospital", 16.5437, 102.0977, 0),
    ("chumphae-market", _TOWN, "ตลาดสดชุมแพ", "Chum Phae market", 16.5400, 102.1050, 7),
    ("non-hin-hae", _DISTRICT, "โนนหินแห่", "Non Hin Hae", 16.5520, 102.0900, 7),
)
# Name, place, latitude, longitude, height of the antenna.
_GATEWAYS = (
    ("KKU water tower", "kku", 16.4722, 102.8232, 38.0),
    ("Bueng Kaen Nakhon", "bueng-kaen-nakhon", 16.4174, 102.8380, 24.0),
    ("Chum Phae Hospital", "chumphae-hospital", 16.5437, 102.0977, 30.0),
)
_SENSORS = (
    *(("decentlab_dl_pm", place) for place in ("kku", "sam-liam", "non-than", "chumphae-market")),
    *(
        ("milesight_em500_swl", place)
        for place in ("bueng-kaen-nakhon", "nong-waeng", "non-hin-hae")
    ),
    *(("milesight_em300_th", place) for place in ("non-chai", "theparak", "chumphae-hospital")),
    *(("milesight_em400_mud", place) for place in ("sam-liam", "theparak", "chumphae-market")),
    ("milesight_ws201", "chumphae-hospital"),
    *(("milesight_ws101", place) for place in ("bueng-kaen-nakhon", "chumphae-market")),
    ("milesight_ws523", "chumphae-hospital"),
    ("milesight_ws558", "bueng-kaen-nakhon"),
    *(("milesight_wts506", place) for place in ("kku", "chumphae-hospital")),
)
_NICKNAMES = (
    "แดง", "ดำ", "น้อย", "ใหญ่", "เล็ก", "จันทร์", "บุญมา", "คำ", "สา", "ทองดี",
    "บัว", "แก้ว", "พร", "สี", "หนู", "มาลี", "ทิพย์", "นวล", "ผัน", "เพ็ง",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A made-up site with its session keys, and what devices without an address join with; `seed`
    makes it again, to the byte.
    """

    site: Site
    keys: Mapping[DevEui, SessionKeys]
    seed: int
    join_keys: Mapping[DevEui, JoinKeys] = field(default_factory=dict)


def make_site(seed: int) -> Demonstration:
    """Make the demonstration site; the same seed gives the same site."""
    gateways = tuple(_gateways())
    radio = make_radio(gateways, seed)
    devices = tuple(_devices(radio, seed))
    site = Site(
        site=SITE_ID,
        name=Text(th="ขอนแก่น (จำลอง)", en="Khon Kaen (simulated)"),
        lorawan=LoraWan(prefixes=(_PREFIX,)),
        organisations=tuple(
            Organisation(id=id_, name=Text(th=th, en=en), parent=parent, simulated=True)
            for id_, parent, th, en in _ORGANISATIONS
        ),
        places=tuple(
            Place(
                id=id_,
                organisation=organisation,
                name=Text(th=th, en=en),
                position=Position(latitude=latitude, longitude=longitude),
            )
            for id_, organisation, th, en, latitude, longitude, _elders in _PLACES
        ),
        gateways=gateways,
        devices=devices,
        rules={"fall": FALL_RULE},
        keys_file=Path("keys.csv"),
    )
    keys = {device.dev_eui: make_keys(device.dev_eui, seed) for device in devices}
    return Demonstration(site=site, keys=keys, seed=seed)


def make_radio(gateways: Iterable[Gateway], seed: int) -> Radio:
    """The air around the gateways that have a position."""
    return Radio(
        {gateway.eui: gateway.position for gateway in gateways if gateway.position}, seed=seed
    )


def eirp_of(device: Device) -> float:
    """What a device sends with, in dBm."""
    return WRIST_EIRP if device.family == WRISTBAND else SENSOR_EIRP


def nickname(resident: str) -> str:
    """A made-up nickname for a made-up elder."""
    number = int(resident.rpartition("-")[2])
    title = "ตา" if number % 3 == 0 else "ยาย"
    return f"{title}{_NICKNAMES[number % len(_NICKNAMES)]} (จำลอง)"


def _gateways() -> Iterator[Gateway]:
    owners = {place[0]: place[1] for place in _PLACES}
    for number, (name, place, latitude, longitude, height) in enumerate(_GATEWAYS, start=1):
        yield Gateway(
            eui=parse_gateway_eui(f"024b4bfffe{number:06x}"),
            name=name,
            organisation=owners[place],
            place=place,
            position=Position(latitude=latitude, longitude=longitude, height=height),
            simulated=True,
            agent=Agent(udp_port=0),
        )


def _devices(radio: Radio, seed: int) -> Iterator[Device]:
    number = 0
    elder = 0
    for place, organisation, _th, _en, latitude, longitude, elders in _PLACES:
        for _ in range(elders):
            number, elder = number + 1, elder + 1
            resident = f"R-{elder:04d}"
            dev_eui = parse_dev_eui(f"024b4b00{number:08x}")
            middle = Position(latitude=latitude, longitude=longitude)
            at_least = 2 if resident == CALLER else 1
            yield Device(
                dev_eui=dev_eui,
                family=WRISTBAND,
                organisation=organisation,
                place=place,
                resident=resident,
                dev_addr=parse_dev_addr(f"014b{number:04x}"),
                position=_settle(radio, seed, dev_eui, middle, WRIST_EIRP, at_least, slowest=2),
            )
    middles = {place[0]: (place[1], place[4], place[5]) for place in _PLACES}
    for family, place in _SENSORS:
        number += 1
        organisation, latitude, longitude = middles[place]
        dev_eui = parse_dev_eui(f"024b4b00{number:08x}")
        middle = Position(latitude=latitude, longitude=longitude)
        yield Device(
            dev_eui=dev_eui,
            family=family,
            organisation=organisation,
            place=place,
            dev_addr=parse_dev_addr(f"014b{number:04x}"),
            # Sensors say more than 11 bytes, which DR2 does not carry within the dwell time.
            position=_settle(radio, seed, dev_eui, middle, SENSOR_EIRP, 1, slowest=3),
        )


def _settle(
    radio: Radio,
    seed: int,
    dev_eui: DevEui,
    middle: Position,
    eirp: float,
    gateways: int,
    *,
    slowest: int,
) -> Position:
    """A spot around `middle` where so many gateways hear well, as whoever installs it looks for."""
    rng = Random(f"{seed}|position|{dev_eui}")
    for _ in range(_TRIES):
        north, east = rng.gauss(0.0, _REACH_KM), rng.gauss(0.0, _REACH_KM)
        spot = Position(
            latitude=round(middle.latitude + north / 111.2, 5),
            longitude=round(
                middle.longitude + east / 111.2 / math.cos(math.radians(middle.latitude)), 5
            ),
        )
        radio.place(dev_eui, spot)
        data_rate = radio.choose_data_rate(dev_eui, eirp)
        heard_by = radio.covering(dev_eui, eirp, data_rate, margin=4.0)
        if len(heard_by) >= gateways and data_rate.index >= slowest:
            return spot
    raise RuntimeError(f"no gateway hears {dev_eui} anywhere around its place")


def make_keys(dev_eui: DevEui, seed: int) -> SessionKeys:
    """The session keys of a made-up device: they come from the seed and are no secrets."""

    return SessionKeys(
        nwk_s_key=_key(dev_eui, seed, "nwk_s_key"), app_s_key=_key(dev_eui, seed, "app_s_key")
    )


def make_join_keys(dev_eui: DevEui, seed: int) -> JoinKeys:
    """What a made-up device joins with: from the seed as well, and no secret either."""
    return JoinKeys(join_eui=JOIN_EUI, app_key=_key(dev_eui, seed, "app_key"))


def _key(dev_eui: DevEui, seed: int, name: str) -> bytes:
    return sha256(f"{seed}|{name}|{dev_eui}".encode()).digest()[:16]


# -- files ------------------------------------------------------------------

_LISTS = ("places", "gateways", "devices")
_HEAD = """\
# A simulated site: nobody in it is real, and nobody is paged because of it.
# Made up from the seed {seed}; lists stand in the CSV files beside it.
"""


def write_site(demonstration: Demonstration, folder: Path) -> Path:
    """Write site.yaml, its lists and its keys into `folder`; the path of site.yaml.

    Raises OSError where nothing can be written.
    """
    document = demonstration.site.model_dump(mode="json", exclude_defaults=True)
    for name in _LISTS:
        rows = [dict(_flat(row)) for row in document[name]]
        _write_csv(folder / f"{name}.csv", rows)
        document[name] = f"{name}.csv"
    keys_file.write(folder / "keys.csv", demonstration.keys)
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)
    path = folder / "site.yaml"
    path.write_text(_HEAD.format(seed=demonstration.seed) + text, encoding="utf-8")
    return path


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value).lower() if isinstance(value, bool) else str(value)


def _write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
