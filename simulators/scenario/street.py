"""A made-up site that one understands at a glance: gateways in a row, elders beside them.

Elder R-0001 lives 200 m from gw-1, R-0002 from gw-2, and so on, round again. Whether the other
gateways hear her too is a matter of how far they stand apart: all of them within a kilometre,
none at 40 km. Nobody in it is real.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from khaen.ids import DevEui, parse_dev_addr, parse_dev_eui, parse_gateway_eui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import (
    Address,
    Agent,
    Device,
    Gateway,
    LoraWan,
    Organisation,
    Plan,
    Position,
    Site,
    Step,
    Text,
)
from khaen.site.model import Place as SitePlace

ORGANISATION: Final = "street"
CHANNEL: Final = "terminal"
FIRST_CALLED, THEN_CALLED = "carer", "nurse"
"""Addresses of the plan: the first is told at once, the second a minute later."""
_LATITUDE, _LONGITUDE = 16.44, 102.83
_DEGREES_PER_KM: Final = 1 / 111.2
_HOME_KM: Final = 0.2
_NAME = Text(th="ถนนสมมุติ (จำลอง)", en="A made-up street (simulated)")
_PREFIX: Final = "014c0000/16"
_BAND: Final = "khaen_wristband"


def make_street(
    *,
    elders: int,
    gateways: int,
    apart_km: float,
    seed: int,
    rules: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Site, Mapping[DevEui, SessionKeys]]:
    """The site and its keys. `rules` are parameters of rules, as in a site file."""
    devices = tuple(_band(n, gateways, apart_km) for n in range(1, elders + 1))
    site = Site(
        site="street",
        name=_NAME,
        lorawan=LoraWan(prefixes=(_PREFIX,)),
        organisations=(Organisation(id=ORGANISATION, name=_NAME, simulated=True, plan="plan"),),
        places=(SitePlace(id="homes", organisation=ORGANISATION, name=_NAME),),
        gateways=tuple(_gateway(n, apart_km) for n in range(1, gateways + 1)),
        devices=devices,
        plans=(
            Plan(
                id="plan",
                steps=(
                    Step(after_s=0, channel=CHANNEL, to=FIRST_CALLED),
                    Step(after_s=60, channel=CHANNEL, to=THEN_CALLED),
                ),
                repeat_s=300,
            ),
        ),
        # The terminal needs no secret address: nothing is read from there.
        addresses=tuple(
            Address(id=name, channel=CHANNEL, url_file=Path("/dev/null"))
            for name in (FIRST_CALLED, THEN_CALLED)
        ),
        rules={rule: dict(values) for rule, values in (rules or {}).items()},
        keys_file=Path("keys.csv"),
    )
    return site, {device.dev_eui: _keys(device.dev_eui, seed) for device in devices}


def _gateway(number: int, apart_km: float) -> Gateway:
    return Gateway(
        eui=parse_gateway_eui(f"024b4bfffe1{number:05x}"),
        name=f"Roof {number}",
        organisation=ORGANISATION,
        position=_position((number - 1) * apart_km, 0.0, height=20.0),
        simulated=True,
        agent=Agent(udp_port=0),
    )


def _band(number: int, gateways: int, apart_km: float) -> Device:
    beside = (number - 1) % gateways
    return Device(
        dev_eui=parse_dev_eui(f"024b4b01{number:08x}"),
        family=_BAND,
        organisation=ORGANISATION,
        place="homes",
        resident=f"R-{number:04d}",
        dev_addr=parse_dev_addr(f"014c{number:04x}"),
        position=_position(beside * apart_km, _HOME_KM, height=1.2),
    )


def _position(east_km: float, north_km: float, *, height: float) -> Position:
    return Position(
        latitude=round(_LATITUDE + north_km * _DEGREES_PER_KM, 6),
        longitude=round(_LONGITUDE + east_km * _DEGREES_PER_KM, 6),
        height=height,
    )


def _keys(dev_eui: DevEui, seed: int) -> SessionKeys:
    def key(name: str) -> bytes:
        return sha256(f"{seed}|street|{name}|{dev_eui}".encode()).digest()[:16]

    return SessionKeys(nwk_s_key=key("nwk_s_key"), app_s_key=key("app_s_key"))
