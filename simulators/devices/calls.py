"""What a band says again and again: a call for help, a fall (docs/wristband-payload.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from simulators.devices.device import CALL_SECONDS, Message, repeat_ages
from simulators.devices.node import Node
from simulators.payloads.wristband import FALL_PORT, SOS_PORT, Stage
from simulators.people import Elder

_STILL_S: Final = 60.0
"""An acknowledged frame that says still at this age ends the frames of a fall."""

Say = Callable[[float], tuple[Message, bool]]
"""What to say at an age in seconds, and whether an acknowledgement of it ends the repeats."""


class Call:
    """The repeats of one press or fall; another of its port takes its place in the node."""

    __slots__ = ("_ages", "_began", "_last", "_node", "_port", "_say")

    def __init__(
        self, node: Node, port: int, say: Say, ages: Iterator[float], began: float
    ) -> None:
        self._node, self._port, self._say = node, port, say
        self._ages, self._began = ages, began
        self._last = False

    def repeat(self, now: float) -> None:
        """Say it, and again when the next age has come."""
        if self._node.calls.get(self._port) is not self:
            return
        message, self._last = self._say(now - self._began)
        age = next(self._ages, None)
        if age is None:
            del self._node.calls[self._port]
        else:
            self._node.agenda.at(self._began + age, self.repeat)
        self._node.send(message, now)

    def settle(self) -> None:
        """The network acknowledged what was said last."""
        if self._last and self._node.calls.get(self._port) is self:
            del self._node.calls[self._port]


def press(node: Node, elder: Elder, now: float, *, again: bool = False) -> None:
    """She presses: at once, then each 10 to 15 s until acknowledged or 3 minutes are over.

    `again` is one who pressed before, and does not where her band has heard that somebody comes.
    """
    if again and not elder.waiting:
        return
    count = elder.press()
    _begin(node, SOS_PORT, lambda age: (elder.call(count, age), True), repeat_ages(node.rng), now)


def fall(node: Node, elder: Elder, now: float, *, cancel_s: float, then: Stage) -> None:
    """She falls: the impact at once, what became of her after `cancel_s`, besides the repeats."""
    if then is Stage.CANCELLED:  # it was none
        count = elder.clap(node.time(now))
    elif then is Stage.MOVING:
        count = elder.fall(node.time(now), minutes=cancel_s / 60)
    else:
        count = elder.fall(node.time(now))

    def say(age: float) -> tuple[Message, bool]:
        stage = then if age >= cancel_s else Stage.IMPACT
        last = stage is Stage.MOVING or stage is Stage.CANCELLED
        last = last or (stage is Stage.STILL and age >= _STILL_S)
        return elder.fall_message(stage, count, age), last

    _begin(node, FALL_PORT, say, _fall_ages(node.rng, cancel_s), now)


def _fall_ages(rng: Random, cancel_s: float) -> Iterator[float]:
    return iter(sorted({*repeat_ages(rng), min(cancel_s, CALL_SECONDS)}))


def _begin(node: Node, port: int, say: Say, ages: Iterator[float], now: float) -> None:
    call = node.calls[port] = Call(node, port, say, ages, now)
    next(ages)
    call.repeat(now)
