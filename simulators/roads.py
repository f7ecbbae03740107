"""The roads between packet forwarders and agents, on which faults can begin while they are used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from khaen.clock import Clock
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from simulators.faults.catalogue import describe, parse
from simulators.faults.fault import Fault, Tally
from simulators.faults.faults import Faults
from simulators.faults.live import FaultyRoad
from simulators.gateways.packet_forwarder import PacketForwarder
from simulators.terminal.picture import FaultLine

_EUI: Final = slice(4, 12)
"""Where a datagram to an agent has the gateway's EUI (Semtech, PROTOCOL.TXT, 3.2)."""


class Roads:
    """One after the other, each with one fault; what passes all goes by its gateway's socket.

    `names` are gateways and devices by the names that faults may call them.
    """

    def __init__(
        self,
        forwarders: Mapping[GatewayEui, PacketForwarder],
        clock: Clock,
        *,
        seed: int,
        names: Mapping[str, str],
        ciphers: Mapping[DevEui, SessionCipher],
    ) -> None:
        self._forwarders, self._clock, self._seed = dict(forwarders), clock, seed
        self._names, self._ciphers = names, ciphers
        self._count = 0
        self._faults: list[Faults] = []
        self._roads: list[FaultyRoad] = []
        for forwarder in forwarders.values():
            forwarder.road = partial(self._pass, 0)

    def add(self, text: str) -> Fault:
        """Let a fault begin, by its short form. Raises SettingsError."""
        fault, now = parse(text), self._clock.now()
        self._count += 1
        faults = Faults(
            [fault],
            f"{self._seed}|{self._count}",
            now,
            ciphers=self._ciphers,
            names=self._names,
        )
        onward = partial(self._pass, len(self._roads) + 1)
        self._faults.append(faults)
        self._roads.append(FaultyRoad(faults, now, self._clock, onward))
        return fault

    def clear(self) -> None:
        """End all faults; what they held back is lost."""
        for road in self._roads:
            road.close()
        self._faults.clear()
        self._roads.clear()

    def lines(self) -> tuple[FaultLine, ...]:
        """What runs, and what it did."""
        return tuple(
            FaultLine(text=describe(fault), done=_count(tally))
            for faults in self._faults
            for fault, tally in faults.tallies
        )

    def _pass(self, index: int, datagram: bytes) -> None:
        if index < len(self._roads):
            self._roads[index].send(datagram)
        elif forwarder := self._forwarders.get(GatewayEui(datagram[_EUI].hex())):
            forwarder.transmit(datagram)


def _count(tally: Tally) -> str:
    """Numbers that are not 0, of datagrams."""
    names = ("seen", "lost", "added", "changed", "delayed", "unsealed")
    return "  ".join(f"{name} {n}" for name in names if (n := getattr(tally, name)))
