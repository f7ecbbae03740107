"""Messages that come broken."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Literal

from pydantic import Field

from khaen.capture import Record
from simulators.faults.fault import Act, Due, Fault, Link
from simulators.frames import Frame


class Corrupt(Fault):
    """Bits are turned: in the frame, as by a radio whose CRC held all the same, or anywhere."""

    fault: Literal["corrupt"] = "corrupt"
    bits: int = Field(default=1, ge=1, le=2048)
    where: Literal["frame", "message"] = "frame"
    """`frame`: in the PHYPayload, or an event's payload. `message`: anywhere in what is sent."""

    @property
    def breaks_messages(self) -> bool:
        """Where bits are turned anywhere."""
        return self.where == "message"

    def begin(self, link: Link) -> Act:
        """Turn bits."""

        def turn(frame: Frame) -> Frame:
            if frame.phy is not None:
                return replace(frame, phy=_turned(frame.phy, self.bits, link.random))
            if frame.payload is not None:
                return replace(frame, payload=_turned(frame.payload, self.bits, link.random))
            return frame

        def act(record: Record, at: float) -> list[Due]:
            if self.where == "frame":
                broken = link.rewrite(record, turn) or record
            else:
                broken = replace(record, payload=_turned(record.payload, self.bits, link.random))
            link.tally.changed += broken != record
            return [(at, broken)]

        return act


class Truncate(Fault):
    """The end of a message is missing, from any byte on: JSON, protobuf or datagram."""

    fault: Literal["truncate"] = "truncate"

    @property
    def breaks_messages(self) -> bool:
        """Always."""
        return True

    def begin(self, link: Link) -> Act:
        """Cut."""

        def act(record: Record, at: float) -> list[Due]:
            if not record.payload:
                return [(at, record)]
            link.tally.changed += 1
            kept = link.random.randrange(len(record.payload))
            return [(at, replace(record, payload=record.payload[:kept]))]

        return act


def _turned(data: bytes, bits: int, random: Random) -> bytes:
    """The bytes with so many bits turned, all where there are fewer."""
    size = len(data) * 8
    mask = 0
    for place in random.sample(range(size), min(bits, size)):
        mask |= 1 << place
    return (int.from_bytes(data, "big") ^ mask).to_bytes(len(data), "big")
