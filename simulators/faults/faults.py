"""Several faults, one after the other, over one stream of records in the records' own time.

Pure: the same seed and the same records give the same records, at the same times. What is held back
comes out when the next record passes it, when `due` is asked, or by `flush`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from khaen.capture import Record
from khaen.errors import SettingsError
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from simulators.faults.fault import Act, Due, Fault, Link, Numbering, Reach, Tally
from simulators.faults.sealing import Sealing
from simulators.frames import gateway

MAX_HELD: Final = 100_000
"""Records held back at once; what comes above that is lost, and counted so."""
_EUI, _DEV_ADDR = 16, 8


class Faults:
    """`start` is the begin of the stream. `names` are gateways and devices by the names in use.

    `ciphers` are the sessions by device: None where nobody has keys, which faults that seal frames
    anew refuse; empty for a network server's events, which need none. Raises SettingsError.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        seed: int | str,
        start: datetime,
        *,
        ciphers: Mapping[DevEui, SessionCipher] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._start = start
        self._held: list[tuple[float, int, int, Record]] = []
        self._order = itertools.count()
        sealing = Sealing({} if ciphers is None else ciphers)
        numbering = Numbering(f"{seed}|faults")
        self._stages = [
            _Stage(
                fault=fault,
                seed=f"{seed}|faults|{index}",
                reach=_reach(fault, names or {}, sealing, ciphers),
                numbering=numbering,
                names=names or {},
            )
            for index, fault in enumerate(faults)
        ]

    @property
    def tallies(self) -> tuple[tuple[Fault, Tally], ...]:
        """What each fault did so far."""
        return tuple((stage.fault, stage.tally) for stage in self._stages)

    @property
    def next_at(self) -> float:
        """When the next held record passes, in seconds from the start; infinity when none is."""
        return self._held[0][0] if self._held else float("inf")

    def apply(self, record: Record) -> list[Record]:
        """What passes with this record: what was held until its time, then what becomes of it."""
        at = (record.at - self._start) / timedelta(seconds=1)
        return [*self.due(at), *self._pass(0, at, record)]

    def due(self, at: float) -> list[Record]:
        """What was held back until `at` seconds from the start, dated when it passes."""
        passed: list[Record] = []
        while self._held and self._held[0][0] <= at:
            due, _, stage, record = heapq.heappop(self._held)
            record = replace(record, at=self._start + timedelta(seconds=due))
            passed += self._pass(stage, due, record)
        return passed

    def flush(self) -> list[Record]:
        """All that is still held, each dated when it would have passed."""
        return self.due(float("inf"))

    def _pass(self, index: int, at: float, record: Record) -> list[Record]:
        """Let a record through the faults from `index` on."""
        if index == len(self._stages):
            return [record]
        passed: list[Record] = []
        stage = self._stages[index]
        for due, each in stage.take(record, at):
            if due <= at:
                passed += self._pass(index + 1, at, each)
            elif len(self._held) < MAX_HELD:
                heapq.heappush(self._held, (due, next(self._order), index + 1, each))
            else:
                stage.tally.lost += 1
        return passed


@dataclass(slots=True, kw_only=True)
class _Stage:
    """One fault at work: chance by link, so that one gateway's traffic moves no other's."""

    fault: Fault
    seed: str
    reach: Reach
    numbering: Numbering
    names: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)
    _memory: dict[DevEui, tuple[int, int]] = field(default_factory=dict)
    _links: dict[GatewayEui | None, tuple[Callable[[], bool], Act]] = field(default_factory=dict)

    def take(self, record: Record, at: float) -> Iterable[Due]:
        """What becomes of a record, and when."""
        if not self.reach.holds(record, at):
            return ((at, record),)
        self.tally.seen += 1
        key = gateway(record)
        if key not in self._links:
            self._links[key] = self._begin(key)
        chosen, act = self._links[key]
        return act(record, at) if chosen() else ((at, record),)

    def _begin(self, key: GatewayEui | None) -> tuple[Callable[[], bool], Act]:
        random = Random(f"{self.seed}|{self.fault.fault}|{key}")
        link = Link(
            random=random,
            reach=self.reach,
            tally=self.tally,
            numbering=self.numbering,
            names=self.names,
            memory=self._memory,
        )
        return self.fault.chooser(random), self.fault.begin(link)


def _reach(
    fault: Fault,
    names: Mapping[str, str],
    sealing: Sealing,
    ciphers: Mapping[DevEui, SessionCipher] | None,
) -> Reach:
    _resolve(fault, "gateway", fault.named_gateways, names, {_EUI})
    if fault.needs_keys and ciphers is None:
        raise SettingsError(
            f"fault {fault.fault}: it seals frames anew, for which the session keys are needed:"
            " name the site, whose keys_file has them"
        )
    return Reach(
        gateways=_resolve(fault, "gateway", fault.gateways, names, {_EUI}),
        devices=_resolve(fault, "device", fault.devices, names, {_EUI, _DEV_ADDR}),
        begins=fault.from_,
        ends=float("inf") if fault.until is None or fault.lasts else fault.until,
        sealing=sealing,
    )


def _resolve(
    fault: Fault, what: str, given: Sequence[str], names: Mapping[str, str], sizes: set[int]
) -> frozenset[str]:
    found = {names.get(name, name.lower()) for name in given}
    for each in sorted(found):
        if len(each) not in sizes or not set(each) <= set("0123456789abcdef"):
            known = ", ".join(sorted(names)[:8]) or "none"
            raise SettingsError(
                f"fault {fault.fault}: no {what} {each!r}; give an EUI, or a name (there are:"
                f" {known})"
            )
    return frozenset(found)
