"""Messages that come late, twice, or in another order."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from khaen.capture import Record
from simulators.acts.duration import Seconds
from simulators.faults.fault import Act, Due, Fault, Link


class Delay(Fault):
    """Every message comes later: `seconds`, and up to `jitter` more. Order on a link is kept."""

    main: ClassVar[tuple[str, ...]] = ("seconds",)

    fault: Literal["delay"] = "delay"
    seconds: Seconds
    jitter: Seconds = 0.0

    def begin(self, link: Link) -> Act:
        """Hold back."""
        last = 0.0

        def act(record: Record, at: float) -> list[Due]:
            nonlocal last
            last = max(last, at + self.seconds + link.random.uniform(0.0, self.jitter))
            link.tally.delayed += 1
            return [(last, record)]

        return act


class Reorder(Fault):
    """A share of the messages is overtaken by those of the `within` seconds after it at most."""

    fault: Literal["reorder"] = "reorder"
    within: Seconds = Field(default=5.0, gt=0)

    def begin(self, link: Link) -> Act:
        """Hold back by chance."""

        def act(record: Record, at: float) -> list[Due]:
            link.tally.delayed += 1
            return [(at + link.random.uniform(0.0, self.within), record)]

        return act


class Duplicate(Fault):
    """A share of the messages comes again, the same bytes, within `within` seconds."""

    fault: Literal["duplicate"] = "duplicate"
    copies: int = Field(default=1, ge=1, le=100)
    within: Seconds = 0.0

    def begin(self, link: Link) -> Act:
        """Pass it, and its copies."""

        def act(record: Record, at: float) -> list[Due]:
            link.tally.added += self.copies
            copies = (at + link.random.uniform(0.0, self.within) for _ in range(self.copies))
            return [(at, record), *((due, record) for due in copies)]

        return act
