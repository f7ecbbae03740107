"""Messages that never come: by chance, in bursts, or because the road is closed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from khaen.capture import Record
from simulators.acts.duration import Seconds
from simulators.faults.fault import Act, Due, Fault, Link


class Loss(Fault):
    """Loses a share of the messages, each by itself; of a datagram only frames within reach."""

    fault: Literal["loss"] = "loss"

    def begin(self, link: Link) -> Act:
        """Drop."""
        return lambda record, at: lose(link, record, at)


class Bursts(Fault):
    """Loses the same share in bursts: a link that is good, then bad for `length` messages or so.

    Two states as in E. N. Gilbert, "Capacity of a Burst-Noise Channel", Bell System Technical
    Journal 39 (1960), with losses in both as in E. O. Elliott, "Estimates of Error Rates for Codes
    on Burst-Noise Channels", the same 42 (1963). The share of bad time π = (share − good) /
    (bad − good); it ends with r = 1 / length and begins with p = r·π / (1 − π).
    """

    fault: Literal["bursts"] = "bursts"
    length: float = Field(default=8.0, ge=1)
    """Messages that a bad spell lasts on average."""
    good: float = Field(default=0.0, ge=0, lt=1)
    """Loss while the link is good."""
    bad: float = Field(default=1.0, gt=0, le=1)
    """Loss while it is bad."""

    def begin(self, link: Link) -> Act:
        """Drop."""
        return lambda record, at: lose(link, record, at)

    @property
    def bad_time(self) -> float:
        """The share of messages that meet a bad link."""
        return (self.share - self.good) / (self.bad - self.good)

    @property
    def begins(self) -> float:
        """The chance that a good link turns bad with a message."""
        return self.bad_time / (1 - self.bad_time) / self.length

    @model_validator(mode="after")
    def _possible(self) -> Bursts:
        if not self.good <= self.share < self.bad:
            raise ValueError("the share lost lies between the losses of a good and of a bad link")
        if self.begins > 1:
            raise ValueError("so much loss needs longer bursts: raise length, or lower share")
        return self

    def chooser(self, random: Random) -> Callable[[], bool]:
        """The chain, begun as it is in the long run."""
        bad = random.random() < self.bad_time
        ends, begins = 1 / self.length, self.begins

        def lost() -> bool:
            nonlocal bad
            hit = random.random() < (self.bad if bad else self.good)
            if random.random() < (ends if bad else begins):
                bad = not bad
            return hit

        return lost


class Flap(Fault):
    """A link that is up, then down, again and again; up first. It holds what comes meanwhile.

    With `hold` off it loses it.
    """

    main: ClassVar[tuple[str, ...]] = ("up", "down")

    fault: Literal["flap"] = "flap"
    up: Seconds = Field(gt=0)
    down: Seconds = Field(gt=0)
    hold: bool = True

    def begin(self, link: Link) -> Act:
        """Pass, hold or drop."""

        def act(record: Record, at: float) -> list[Due]:
            within = (at - self.from_) % (self.up + self.down)
            if within < self.up:
                return [(at, record)]
            if not self.hold:
                return lose(link, record, at)
            link.tally.delayed += 1
            return [(at + self.up + self.down - within, record)]

        return act


def lose(link: Link, record: Record, at: float) -> list[Due]:
    """Drop what is within reach of a record: all of it, where it has no frames."""
    left = link.rewrite(record, lambda _: None)
    if left is None or left is record:
        link.tally.lost += 1
        return []
    link.tally.changed += 1
    return [(at, left)]
