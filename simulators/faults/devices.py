"""Devices that are wrong or false: counters, floods, twins, attackers.

What such a device adds is heard anew: with a later time, another count of the concentrator, and a
number of its own where the agent numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from khaen.capture import Record
from khaen.ids import DevEui, GatewayEui
from simulators.acts.duration import Seconds
from simulators.faults.fault import Act, Due, Fault, Link
from simulators.frames import Frame

_MAX_F_CNT = 2**32 - 1
_Count = Callable[[DevEui, int], int]
"""The counter that a device's frame gets instead of its own."""


class _Counting(Fault):
    """A fault of a device's counter: it lasts, for no device counts back afterwards."""

    needs_keys: ClassVar[bool] = True
    lasts: ClassVar[bool] = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.share != 1.0:
            raise ValueError("it is a device's whole counter: name devices instead of a share")
        return self


class Reset(_Counting):
    """A device counts from 0 again, as when its battery was out; its session stays."""

    main: ClassVar[tuple[str, ...]] = ()

    fault: Literal["reset"] = "reset"

    def begin(self, link: Link) -> Act:
        """Count from the first frame of the fault on."""

        def count(device: DevEui, f_cnt: int) -> int:
            first, _ = link.memory.setdefault(device, (f_cnt, f_cnt))
            return f_cnt - first

        return lambda record, at: [(at, _recounted(link, record, count))]


class Flood(_Counting):
    """A device sends `times` as much: after each message, others like it within `within` seconds.

    Every one has a counter of its own; after the flood the device counts on from there.
    """

    main: ClassVar[tuple[str, ...]] = ("times",)

    fault: Literal["flood"] = "flood"
    times: int = Field(default=10, ge=2, le=10_000)
    within: Seconds = 10.0

    def begin(self, link: Link) -> Act:
        """Pass it under its new counter, and the others after it."""

        def act(record: Record, at: float) -> list[Due]:
            flooding = self.until is None or at < self.until
            place = partial(self._place, link.memory, flooding)
            found = [(at, _recounted(link, record, partial(place, 0)))]
            for number in range(1, self.times if flooding else 1):
                after = self.within * number / self.times
                more = _copied(link, record, after, partial(place, number))
                found += [(at + after, each) for each in more]
            return found

        return act

    def _place(
        self,
        memory: dict[DevEui, tuple[int, int]],
        flooding: bool,
        number: int,
        device: DevEui,
        f_cnt: int,
    ) -> int:
        """The counter of the message (`number` 0) or of one of the others: room for all of them is
        made after each message from the first to the last of the flood.
        """
        if flooding:
            first, last = memory.get(device, (f_cnt, f_cnt))
            memory[device] = (first, max(last, f_cnt))
        if device not in memory:
            return f_cnt
        first, last = memory[device]
        return f_cnt + max(0, min(f_cnt, last + 1) - first) * (self.times - 1) + number


class Clone(Fault):
    """A second device with the same DevEUI and keys: what one says the other says, too.

    It says it `after` so many seconds, under a counter that is `ahead`.
    """

    main: ClassVar[tuple[str, ...]] = ("ahead",)
    needs_keys: ClassVar[bool] = True

    fault: Literal["clone"] = "clone"
    ahead: int = Field(default=100, ge=1, le=1_000_000)
    after: Seconds = 7.0

    def begin(self, link: Link) -> Act:
        """Pass it, and what the other says."""

        def act(record: Record, at: float) -> list[Due]:
            said = _copied(link, record, self.after, lambda _, f_cnt: f_cnt + self.ahead)
            return [(at, record), *((at + self.after, each) for each in said)]

        return act


class Replay(Fault):
    """An attacker sends a frame again, the same bytes, `after` so many seconds."""

    main: ClassVar[tuple[str, ...]] = ("after",)

    fault: Literal["replay"] = "replay"
    after: Seconds = Field(default=60.0, gt=0)
    by: str | None = None
    """The gateway that hears it then; the same one when absent."""

    @property
    def named_gateways(self) -> tuple[str, ...]:
        """The one that hears it then, too."""
        return (*self.gateways, self.by) if self.by else self.gateways

    def begin(self, link: Link) -> Act:
        """Pass it, and again."""
        by = None if self.by is None else GatewayEui(link.names.get(self.by, self.by.lower()))

        def act(record: Record, at: float) -> list[Due]:
            again = link.again(record, self.after, by)
            link.tally.added += len(again)
            return [(at, record), *((at + self.after, each) for each in again)]

        return act


def _recounted(link: Link, record: Record, count: _Count) -> Record:
    """The record under other counters; what no session opens stays as it is."""
    changed = link.rewrite(record, lambda frame: _sealed(link, frame, count) or frame) or record
    link.tally.changed += changed is not record
    return changed


def _copied(link: Link, record: Record, after: float, count: _Count) -> list[Record]:
    """The record heard again under other counters; nothing where no session opens it."""
    copies = [
        copy
        for again in link.again(record, after)
        if (copy := link.rewrite(again, lambda frame: _sealed(link, frame, count))) is not None
    ]
    link.tally.added += len(copies)
    return copies


def _sealed(link: Link, frame: Frame, count: _Count) -> Frame | None:
    f_cnt, device = link.sealing.counter(frame), link.sealing.device(frame)
    if f_cnt is None or device is None:
        link.tally.unsealed += frame.f_cnt is not None
        return None
    counted = count(device, f_cnt)
    return link.sealing.recount(frame, counted) if 0 <= counted <= _MAX_F_CNT else None
