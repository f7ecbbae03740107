"""Gateways that are wrong: a clock that is off, a forwarder that hangs."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from khaen.capture import Record
from simulators.acts.duration import Offset
from simulators.faults.fault import Act, Due, Fault, Link, shifted
from simulators.faults.loss import lose
from simulators.frames import Frame, frames


class Clock(Fault):
    """A gateway's time of day is off by `jump` at once, and by `skew` more and more.

    It shows in `time`, `tmms`, `gw_time` and `khaen_at`, not in the concentrator's own counter.
    """

    main: ClassVar[tuple[str, ...]] = ("jump",)

    fault: Literal["clock"] = "clock"
    jump: Offset = 0.0
    skew: float = Field(default=0.0, ge=-100_000, le=100_000)
    """Parts per million, from the begin of the fault."""

    def begin(self, link: Link) -> Act:
        """Date by the wrong clock."""

        def act(record: Record, at: float) -> list[Due]:
            off = self.jump + self.skew * 1e-6 * (at - self.from_)

            def date(frame: Frame) -> Frame:
                return replace(frame, at=shifted(frame.at, off))

            changed = link.rewrite(record, date) or record
            link.tally.changed += changed is not record
            return [(at, changed)]

        return act


class Stuck(Fault):
    """A gateway that hangs: alive by what it says of itself, but it forwards nothing new.

    `silent` forwards no frame; `repeat` forwards the first frame of the fault in place of each.
    """

    main: ClassVar[tuple[str, ...]] = ("how",)

    fault: Literal["stuck"] = "stuck"
    how: Literal["silent", "repeat"] = "silent"

    def begin(self, link: Link) -> Act:
        """Drop frames, or say the first again."""
        first: Record | None = None

        def act(record: Record, at: float) -> list[Due]:
            nonlocal first
            if not any(frame.phy or frame.payload is not None for frame in frames(record)):
                return [(at, record)]
            if self.how == "silent":
                return lose(link, record, at)
            if first is None:
                first = record
                return [(at, record)]
            link.tally.changed += 1
            return [(at, replace(first, at=record.at))]

        return act
