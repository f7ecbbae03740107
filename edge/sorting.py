"""What goes first: the agent holds no keys, and reads only what a frame's header says."""

from __future__ import annotations

from dataclasses import dataclass

from khaen.ids import DevAddr
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest, OtherFrame, parse
from khaen.priority import PriorityList


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Whether a frame goes first, and whether it asks to join."""

    priority: bool
    join: bool
    dev_addr: DevAddr | None = None


def sort(phy: bytes, wanted: PriorityList | None) -> Sort:
    """Sort a PHYPayload; before any list has come, everything goes first."""
    try:
        frame = parse(phy)
    except FrameError:
        return Sort(priority=wanted is None, join=False)
    if isinstance(frame, JoinRequest) or (isinstance(frame, OtherFrame) and frame.rejoin):
        return Sort(priority=True, join=True)
    if not isinstance(frame, DataFrame):
        return Sort(priority=wanted is None, join=False)
    first = wanted is None or (frame.uplink and wanted.covers(frame.dev_addr, frame.f_port))
    return Sort(priority=first, join=False, dev_addr=frame.dev_addr)
