"""Numbers of a replay's own for what it sends, so that no gateway's account is touched.

A gateway's numbers go with the time at which it heard: ingest takes a date that contradicts its
number for uncertain. So the frames of a gateway are dealt out to as few epochs as keep both in
order, as patience sorts cards, each numbered from 1 without holes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Number

_SLACK: Final = timedelta(seconds=4)
"""By how much a date may step back within an epoch; ingest allows 5 s."""
_REMEMBERED: Final = 100_000


@dataclass(slots=True)
class _Lane:
    epoch: Epoch
    seq: int
    last: datetime


class Numbers:
    """`run` names this replay: the same run gives the same epochs."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._lanes: dict[GatewayEui, list[_Lane]] = {}
        self._given: OrderedDict[tuple[GatewayEui, Number], Number] = OrderedDict()

    def give(self, gateway: GatewayEui, recorded: Number | None, at: datetime) -> Number:
        """The number of a frame that was heard at `at`; what was sent twice has it twice."""
        if recorded is not None and (given := self.find(gateway, recorded)) is not None:
            return given
        lane = self._lane(gateway, at)
        lane.seq, lane.last = lane.seq + 1, max(lane.last, at)
        number = Number(epoch=lane.epoch, seq=lane.seq)
        if recorded is not None:
            self._given[gateway, recorded] = number
            if len(self._given) > _REMEMBERED:
                self._given.popitem(last=False)
        return number

    def find(self, gateway: GatewayEui, recorded: Number) -> Number | None:
        """The number that a recorded frame was given, if it is remembered."""
        return self._given.get((gateway, recorded))

    def _lane(self, gateway: GatewayEui, at: datetime) -> _Lane:
        lanes = self._lanes.setdefault(gateway, [])
        fitting = [lane for lane in lanes if lane.last <= at + _SLACK]
        if fitting:
            return max(fitting, key=lambda lane: lane.last)
        digest = sha256(f"{self._run}|epoch|{gateway}|{len(lanes)}".encode()).hexdigest()
        lanes.append(_Lane(Epoch(digest[:16]), 0, at))
        return lanes[-1]
