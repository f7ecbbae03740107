"""MOKO's wearables: the port says what a frame is, and nearly each carries the wearer's state.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/moko, one codec per device.
Byte 0 is the battery, its highest bit set while charging. A state lasts until its end is said, and
each frame in between says it again; the press that it belongs to is found by its neighbours. What
the maker calls an alert is the other of the two calls that a button can be set to: SOS here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from decoders import layout
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Warn

HEAD = (
    Field(quantity="charging", at=0, shift=7),
    Field(quantity="battery_level", at=0, mask=0x7F),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Where a frame tells a state or an event by a code, and which codes are events of ours."""

    at: int
    kinds: Mapping[int, EventKind]
    mask: int = 0xFF
    shift: int = 0

    def read(self, payload: bytes) -> EventKind | None:
        """The event; None where the code is of none, or cut away."""
        if len(payload) <= self.at:
            return None
        return self.kinds.get((payload[self.at] & self.mask) >> self.shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """What is sent on a port: its least length, its codes, where its time is, its numbers."""

    length: int
    codes: tuple[Code, ...] = ()
    time_at: int | None = None
    fields: tuple[Field, ...] = HEAD
    says: EventKind | None = None


Ports = Mapping[int, Port]


def decode(ports: Ports, f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the device's gives a warning."""
    port = ports.get(f_port)
    if port is None:
        return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))
    at = None if port.time_at is None else layout.time(payload, port.time_at)
    return Decoded(
        readings=tuple(layout.read(port.fields, payload, at=at)),
        events=tuple(_events(port, payload, at)),
        warnings=layout.check(payload, port.length),
    )


def _events(port: Port, payload: bytes, at: datetime | None) -> Iterator[Event]:
    kinds = dict.fromkeys(code.read(payload) for code in port.codes)
    for kind in (*kinds, port.says):
        if kind is not None:
            yield Event(kind=kind, measured_at=at)
