"""What every form of the application level has in common: uplinks in, messages out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.region import DataRate
from simulators.air.radio import Hearing


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who speaks, as a network server knows a device. `otaa`: it joined before it spoke."""

    dev_eui: DevEui
    dev_addr: DevAddr
    family: str
    organisation: str
    otaa: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """What one device said, and who heard it: `hearings` in the gateways' order, one at least.

    `at` is aware, UTC: the end of the frame, as a gateway dates it. The payload is in clear.
    """

    subject: Subject
    at: datetime
    f_cnt: int
    f_port: int
    payload: bytes
    confirmed: bool
    adr: bool
    data_rate: DataRate
    frequency: int
    hearings: tuple[Hearing, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One message for applications, as a broker has it; `at` is when its uplink was heard."""

    at: datetime
    topic: str
    payload: bytes


class Sink(Protocol):
    """Where events go."""

    async def publish(self, event: Event) -> None:
        """Hand over one event; may wait until there is room."""

    async def drain(self) -> None:
        """Wait until all of them have gone."""


class Form(Protocol):
    """A way to write uplinks. Keeps what it must remember of a device, for instance its join."""

    def write(self, uplink: Uplink) -> Iterable[Event]:
        """The messages that an uplink makes, in the order of their publication."""
