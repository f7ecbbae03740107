"""What waits in a device: messages of its application, and what it owes to the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from khaen.lorawan.mac import Cid, Command
from simulators.devices.device import Message

MOST_MESSAGES: Final = 4
_MOST_ANSWERS: Final = 64
STICKY: Final = frozenset(
    {Cid.RX_PARAM_SETUP, Cid.RX_TIMING_SETUP, Cid.TX_PARAM_SETUP, Cid.DL_CHANNEL}
)
"""Answers that are repeated in each uplink until a downlink comes (L2 1.0.4, table 5.1)."""


def put(waiting: tuple[Message, ...], message: Message) -> tuple[Message, ...]:
    """What waits with one message more, calls first.

    A call replaces an older one of its port; the oldest reports make room.
    """
    calls = [one for one in waiting if one.confirmed]
    reports = [one for one in waiting if not one.confirmed]
    if message.confirmed:
        calls = [*(call for call in calls if call.f_port != message.f_port), message]
        calls = calls[-MOST_MESSAGES:]
    else:
        reports.append(message)
    kept = reports[-(MOST_MESSAGES - len(calls)) :] if len(calls) < MOST_MESSAGES else []
    return (*calls, *kept)


class Answers:
    """MAC commands that wait for an uplink: sticky ones first, each other one goes once."""

    __slots__ = ("_once", "_sticky")

    def __init__(self) -> None:
        self._once: tuple[Command, ...] = ()
        self._sticky: tuple[Command, ...] = ()

    @property
    def all(self) -> tuple[Command, ...]:
        """In the order in which they go."""
        return self._sticky + self._once

    def add(self, commands: Iterable[Command]) -> None:
        """Put down what is to be said; what nobody fetches for long is forgotten."""
        for command in commands:
            if command.cid in STICKY:
                self._sticky = (*self._sticky, command)[-_MOST_ANSWERS:]
            else:
                self._once = (*self._once, command)[-_MOST_ANSWERS:]

    def carry(self, count: int) -> None:
        """The first `count` of all went out."""
        self._once = self._once[max(0, count - len(self._sticky)) :]

    def settle(self) -> None:
        """A downlink came: the network has what was repeated."""
        self._sticky = ()
