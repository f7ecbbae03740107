"""What all faults have in common: whom they touch, when, and how often."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from khaen.capture import Record
from khaen.ids import DevEui, Epoch, GatewayEui
from khaen.uplink import Number
from simulators.acts.duration import Seconds
from simulators.faults.sealing import Sealing
from simulators.frames import Frame, frames, gateway, rewrite

Due = tuple[float, Record]
"""When a record passes on, in seconds from the start, and the record."""
Act = Callable[[Record, float], Iterable[Due]]
"""What becomes of a record that a fault touches, at so many seconds from the start."""
_TMST = 2**32


class Fault(BaseModel):
    """One fault. It touches what is of these gateways and devices, within this span.

    Without `gateways` and `devices`, everything. `gateways` are EUIs, `devices` EUIs or DevAddrs,
    or names that the caller knows.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )
    main: ClassVar[tuple[str, ...]] = ("share",)
    """What the value of the short form sets; several are separated by a slash."""
    needs_keys: ClassVar[bool] = False
    lasts: ClassVar[bool] = False
    """Whether it goes on touching records after `until`."""

    fault: str
    gateways: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    from_: Seconds = Field(default=0.0, alias="from")
    """Seconds from the start of the stream."""
    until: Seconds | None = None
    share: float = Field(default=1.0, ge=0, le=1)
    """Which part of the records within reach it touches, by chance."""

    @property
    def named_gateways(self) -> tuple[str, ...]:
        """Every gateway that the fault names, for whatever purpose."""
        return self.gateways

    @property
    def breaks_messages(self) -> bool:
        """Whether it breaks what is sent, not what is said in it."""
        return False

    def chooser(self, random: Random) -> Callable[[], bool]:
        """Says of each record within reach whether the fault touches it."""
        share = self.share
        return lambda: share >= 1.0 or random.random() < share

    def begin(self, link: Link) -> Act:
        """What it does to the records of one link, each link with chance and memory of its own."""
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one fault did so far, in records. Out = in − lost + added, once none is held."""

    seen: int = 0
    """Within its reach, touched or not."""
    lost: int = 0
    added: int = 0
    changed: int = 0
    delayed: int = 0
    unsealed: int = 0
    """Left as they were, for no session's keys opened them."""

    def __str__(self) -> str:
        """`20 seen, 3 lost`: what is not 0."""
        counts = ((getattr(self, each.name), each.name) for each in fields(self))
        return ", ".join(f"{count} {name}" for count, name in counts if count) or "0 seen"


@dataclass(slots=True)
class Numbering:
    """Numbers for frames that a fault adds: an epoch of its own, so that none is used twice."""

    seed: str
    _given: dict[GatewayEui | None, int] = field(default_factory=dict)

    def next(self, gateway_eui: GatewayEui | None) -> Number:
        """The next number of a gateway."""
        seq = self._given[gateway_eui] = self._given.get(gateway_eui, 0) + 1
        digest = hashlib.sha256(f"{self.seed}|epoch|{gateway_eui}".encode()).hexdigest()
        return Number(epoch=Epoch(digest[:16]), seq=seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom a fault touches, names resolved."""

    gateways: frozenset[str]
    devices: frozenset[str]
    begins: float
    ends: float
    sealing: Sealing

    def holds(self, record: Record, at: float) -> bool:
        """Whether a record is within reach: the frames in it, or the message as such."""
        if not self.begins <= at < self.ends:
            return False
        if not self.gateways and not self.devices:
            return True
        found = frames(record)
        if found:
            return any(self.hits(frame) for frame in found)
        return not self.devices and gateway(record) in self.gateways

    def hits(self, frame: Frame) -> bool:
        """Whether a frame is of these gateways and devices."""
        if self.gateways and frame.gateway_eui not in self.gateways:
            return False
        return (
            not self.devices
            or frame.dev_addr in self.devices
            or self.sealing.device(frame) in self.devices
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a fault is given to work with on one gateway's link."""

    random: Random
    reach: Reach
    tally: Tally
    numbering: Numbering
    names: Mapping[str, str]
    memory: dict[DevEui, tuple[int, int]]
    """Of each device, what the fault remembers on all links: the first and the last counter."""

    @property
    def sealing(self) -> Sealing:
        """The sessions of the stream."""
        return self.reach.sealing

    def rewrite(self, record: Record, change: Callable[[Frame], Frame | None]) -> Record | None:
        """The record with the frames within reach changed, the others as they are."""
        return rewrite(record, lambda frame: change(frame) if self.reach.hits(frame) else frame)

    def again(self, record: Record, after: float, by: GatewayEui | None = None) -> list[Record]:
        """The frames within reach heard once more, `after` seconds later, by this gateway or by
        another; nothing where a record has none.
        """

        def hear(frame: Frame) -> Frame | None:
            if not self.reach.hits(frame) or (frame.phy is None and frame.payload is None):
                return None
            eui = by or frame.gateway_eui
            return replace(
                frame,
                gateway_eui=eui,
                at=shifted(frame.at, after),
                network_at=shifted(frame.network_at, after),
                tmst=None if frame.tmst is None else (frame.tmst + round(after * 1e6)) % _TMST,
                number=frame.number and self.numbering.next(eui),
            )

        heard = rewrite(record, hear) if frames(record) else None
        return [] if heard is None else [heard]


def shifted(at: datetime | None, seconds: float) -> datetime | None:
    """A time so many seconds later; the same where no datetime can hold it."""
    try:
        return at and at + timedelta(seconds=seconds)
    except OverflowError:
        return at
