"""A message on its way through ingest: how it came, what it says, whose number it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from khaen.alarm import Priority
from khaen.evaluation import Subject
from khaen.ids import DevAddr, DevEui, GatewayEui, OrganisationId, SubjectId, UplinkId
from khaen.mqtt import Client, Message
from khaen.status import GatewayStatus
from khaen.uplink import Kind, Number, Origin, Reception, Way
from store.quarantine import DeviceEvent, Foreign, Refused
from store.registry import DeviceRecord


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came. `settled` says that its connection is past the first rush."""

    message: Message
    at: datetime
    way: Way
    settled: bool = True
    client: Client | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The line of a gateway's account that a record settles."""

    gateway: GatewayEui
    number: Number
    kind: Kind
    digest: bytes
    """SHA-256 of `phy_payload`."""
    backlog: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A technical alarm to raise, or to join where it is open."""

    organisation: OrganisationId
    subject: SubjectId
    rule: str
    reason: str
    priority: Priority = Priority.P2


@dataclass(slots=True, kw_only=True)
class Said:
    """What a device said: verified by its keys, or vouched for by the network server.

    `id` is set where the identity does not come from a counter (point-to-point). `topic` and
    `envelope` are the message, to be set aside where that must be.
    """

    dev_eui: DevEui
    dev_addr: DevAddr
    f_cnt: int
    f_port: int
    payload: bytes
    phy_payload: bytes | None
    confirmed: bool
    origin: Origin
    receptions: tuple[Reception, ...]
    topic: str
    envelope: bytes
    id: UplinkId | None = None


@dataclass(slots=True)
class Opened:
    """What a device said, with the device and its subject as they were when it was heard.

    `wearers` are those that a relay speaks for, `strangers` those it cannot speak for.
    """

    said: Said
    device: DeviceRecord
    subject: Subject
    wearers: list[Opened] = field(default_factory=list)
    strangers: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A gateway's heartbeat; `fresh` is not older than 60 s."""

    gateway: GatewayEui
    made_at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Numbers that will never come."""

    gateway: GatewayEui
    number: Number
    reason: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An agent's word of itself."""

    gateway: GatewayEui
    status: GatewayStatus


Content = Opened | Refused | Foreign | DeviceEvent | Heartbeat | Gone | Status


@dataclass(slots=True, kw_only=True)
class Item:
    """A message read. `priority` closes the group that it is in."""

    arrival: Arrival
    content: Content
    entry: Entry | None = None
    priority: bool = False
    alerts: list[Alert] = field(default_factory=list)
