"""What a site file says (docs/site-file.md). Unknown keys are errors; people have no names here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from khaen.ids import (
    DevAddr,
    DevEui,
    GatewayEui,
    parse_dev_addr,
    parse_dev_eui,
    parse_gateway_eui,
    parse_slug,
)
from khaen.priority import parse_prefix


def _prefix(text: str) -> str:
    parse_prefix(text)
    return text


Slug = Annotated[str, AfterValidator(parse_slug)]
DevEuiField = Annotated[DevEui, BeforeValidator(parse_dev_eui)]
GatewayEuiField = Annotated[GatewayEui, BeforeValidator(parse_gateway_eui)]
DevAddrField = Annotated[DevAddr, BeforeValidator(parse_dev_addr)]
PrefixField = Annotated[str, AfterValidator(_prefix)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Part(BaseModel):
    """A table of the site file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Text(Part):
    """A name in Thai and in English."""

    th: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Position(Part):
    """WGS 84 degrees; height of the antenna above ground in metres."""

    latitude: Latitude
    longitude: Longitude
    height: float = Field(default=1.0, ge=-100, le=1000)


class Organisation(Part):
    """Who owns places, devices and alarms, and sees only its own and what is below it."""

    id: Slug
    name: Text
    parent: Slug | None = None
    simulated: bool = False
    """Simulated frames are accepted, and nobody real is paged."""
    plan: Slug | None = None
    """Escalation plan of its alarms; that of the parent when absent."""


class Place(Part):
    """A home, a centre, or a spot in the city."""

    id: Slug
    organisation: Slug
    name: Text
    position: Position | None = None


class Agent(Part):
    """How `khaen up` runs a gateway's agent on this machine; absent for agents elsewhere."""

    udp_host: str = "127.0.0.1"
    udp_port: int = Field(default=1700, ge=0, le=65535)
    """0 takes any free port."""


class Gateway(Part):
    """A gateway and where it stands."""

    eui: GatewayEuiField
    name: str = Field(min_length=1)
    organisation: Slug
    place: Slug | None = None
    position: Position | None = None
    simulated: bool = False
    """Everything that this agent hears is marked simulated."""
    agent: Agent | None = None


class Device(Part):
    """A device of the inventory.

    `dev_addr` makes it ABP: its session keys stand in the site's `keys_file`. `counter: restarts`
    is for devices that begin to count anew when their battery was out. `resident` is an opaque
    id; it seeds the first person and assignment once.
    """

    dev_eui: DevEuiField
    family: Slug
    organisation: Slug
    place: Slug | None = None
    resident: Slug | None = None
    dev_addr: DevAddrField | None = None
    counter: Literal["continues", "restarts"] = "continues"
    position: Position | None = None


class Step(Part):
    """After so many seconds without an answer, tell `to` by `channel`."""

    after_s: float = Field(ge=0, le=86_400)
    channel: Slug
    to: Slug
    """An address of the site's `addresses`."""


class Plan(Part):
    """An escalation plan: its steps run until a person answers, then from the start again after
    `repeat_s` seconds.
    """

    id: Slug
    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_s: float = Field(default=300.0, ge=30, le=86_400)


class Address(Part):
    """Where a channel reaches someone; `url_file` holds a secret address, one line."""

    id: Slug
    channel: Slug
    url_file: Path


class LoraWan(Part):
    """Our part of the address space, and the region's prefix on the broker."""

    topic_prefix: Slug = "as923"
    net_ids: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{6}$")], ...] = ()
    prefixes: tuple[PrefixField, ...] = ()
    """DevAddr prefixes of ours besides those of the NetIDs and of the ABP devices."""
    network_server: bool = False
    """Whether ChirpStack serves this site (joins, ADR, downlinks)."""


class Retention(Part):
    """Days that each class of data is kept."""

    raw_days: int = Field(default=400, ge=1, le=3650)
    reading_days: int = Field(default=400, ge=1, le=3650)
    alarm_days: int = Field(default=3650, ge=30, le=3650)


class Site(Part):
    """All of a site file, lists included; ids are unique and references resolve."""

    site: Slug
    name: Text
    lorawan: LoraWan = LoraWan()
    organisations: tuple[Organisation, ...] = Field(min_length=1)
    places: tuple[Place, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    devices: tuple[Device, ...] = ()
    plans: tuple[Plan, ...] = ()
    addresses: tuple[Address, ...] = ()
    rules: dict[Slug, dict[str, float]] = Field(default_factory=dict)
    """Rule defaults by rule and parameter; a rule that is not named has its own defaults."""
    keys_file: Path | None = None
    """CSV `dev_eui,nwk_s_key,app_s_key` of the ABP devices, readable by its owner only."""
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _consistent(self) -> Site:
        from khaen.site.check import problems  # the checks need these models

        found = [p for p in problems(self.model_dump()) if not p.warning]
        if found:
            raise ValueError("; ".join(f"{p.key}: {p.text}" for p in found))
        return self
