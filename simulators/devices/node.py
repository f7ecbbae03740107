"""One device in the world: what it measures, its LoRaWAN, and when it does what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from khaen.ids import DevEui
from khaen.site.model import Position
from simulators.agenda import NEVER, Agenda
from simulators.city import Reporter
from simulators.devices.device import Message, Transmission
from simulators.mac import Mac, Received

if TYPE_CHECKING:
    from simulators.devices.calls import Call

_JITTER: Final = (0.7, 1.3)
_UNKNOWN_BATTERY: Final = 255
_FULL_BATTERY: Final = 254
"""L2 1.0.4, section 5.5: 1 to 254, 255 where a device cannot tell."""


class Air(Protocol):
    """What nodes share."""

    agenda: Agenda
    silenced: bool

    def transmit(self, node: Node, sent: Transmission) -> None:
        """Put a frame on the air."""

    def time(self, at: float) -> datetime:
        """The time of day at so many seconds."""

    def move(self, dev_eui: DevEui, position: Position) -> None:
        """A device is somewhere else from now on."""


class Node:
    """A device with its model. `home` is where the site file puts it; `calls` is what it repeats,
    by port.
    """

    __slots__ = (
        "_air", "_waking", "_where", "calls", "home", "interval", "mac", "model", "rng",
    )  # fmt: skip

    def __init__(
        self,
        air: Air,
        mac: Mac,
        model: Reporter,
        *,
        home: Position,
        interval: float,
        rng: Random,
    ) -> None:
        self.mac, self.model, self.interval, self.rng = mac, model, interval, rng
        self.home = self._where = home
        self.calls: dict[int, Call] = {}
        self._air, self._waking = air, NEVER

    @property
    def dev_eui(self) -> DevEui:
        """Which device it is."""
        return self.mac.dev_eui

    @property
    def agenda(self) -> Agenda:
        """Where it puts what it will do."""
        return self._air.agenda

    def time(self, at: float) -> datetime:
        """The time of day at so many seconds."""
        return self._air.time(at)

    def start(self, within: float) -> None:
        """Report for the first time within so many seconds; join before, where that is needed."""
        self.agenda.at(self.rng.uniform(0.0, within), self.report)
        self._follow()

    def report(self, now: float) -> None:
        """Say what is measured, and again after the interval, or when the law lets it."""
        if self._air.silenced:
            return
        self.send(self.model.report(self.time(now)), now)
        wait = self.interval * self.rng.uniform(*_JITTER)
        self.agenda.at(max(now + wait, self.mac.quiet_until), self.report)

    def send(self, message: Message, now: float) -> None:
        """Have the device send a message, from where it is."""
        if not self._air.silenced:
            self._move(now)
            self._do(lambda: self.mac.send(message, now))

    def _move(self, now: float) -> None:
        """Follow a model that says where it is: a bus, somebody who wanders."""
        find = getattr(self.model, "position", None)
        if find is None:
            return
        where = find(self.time(now), self.home)
        if where is not self._where and where != self._where:
            self._where = where
            self._air.move(self.dev_eui, where)

    def hear(self, phy: bytes, snr: float, now: float) -> None:
        """A gateway's frame came into an open window, and is over."""
        received = self.mac.hear(phy, now, snr=snr, battery=self._battery())
        if received is not None:
            self._take(received, now)
        self._follow()

    def _take(self, received: Received, now: float) -> None:
        if received.settled is not None:
            call = self.calls.get(received.settled.f_port)
            if call is not None:
                call.settle()
        if received.f_port is not None:
            self.tell(received.f_port, received.payload, now)

    def tell(self, f_port: int, payload: bytes, now: float) -> None:
        """Give an application's downlink to the model, if it has an ear for it."""
        hear = getattr(self.model, "hear", None)
        if hear is not None:
            hear(f_port, payload, self.time(now))

    def _battery(self) -> int:
        percent: float | None = getattr(self.model, "battery", None)
        if percent is None:
            return _UNKNOWN_BATTERY
        return 1 + round((_FULL_BATTERY - 1) * min(max(percent, 0), 100) / 100)

    def _wake(self, now: float) -> None:
        self._waking = NEVER
        if not self._air.silenced:
            self._do(lambda: self.mac.wake(now))

    def _do(self, act: Callable[[], Transmission | None]) -> None:
        sent = act()
        if sent is not None:
            self._air.transmit(self, sent)
        self._follow()

    def _follow(self) -> None:
        """Be woken when the device wants to be."""
        if self.mac.wake_at < self._waking:
            self._waking = self.mac.wake_at
            self.agenda.at(self._waking, self._wake)
