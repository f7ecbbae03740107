"""What the network server says: collected, in order, until its caller publishes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from chirpstack_api import gw, integration

from khaen.clock import Clock
from simulators.network.device import Device
from simulators.network.output import Downlink, Event


class Schedule(Protocol):
    """Does something later."""

    def __call__(self, seconds: float, work: Callable[[], None], /) -> None:
        """Call `work` in so many seconds."""


class Events:
    """Events for applications and downlinks for gateways; all ids come from `rng`."""

    def __init__(self, clock: Clock, rng: Random) -> None:
        self.clock, self.rng = clock, rng
        self._out: list[Event | Downlink] = []

    @property
    def waiting(self) -> bool:
        """Whether anything is to be published."""
        return bool(self._out)

    def take(self) -> tuple[Event | Downlink, ...]:
        """What is to be published; it is given once."""
        out, self._out = tuple(self._out), []
        return out

    def tell(self, device: Device, kind: str, event: Any) -> None:
        """Tell the device's application, with the time of now where the event has none."""
        if not event.HasField("time"):
            event.time.FromDatetime(self.clock.now())
        event.device_info.CopyFrom(device.info)
        application = device.info.application_id
        self._out.append(
            Event(application=application, dev_eui=device.dev_eui, kind=kind, message=event)
        )

    def log(
        self,
        device: Device,
        code: integration.LogCode.ValueType,
        text: str,
        *,
        level: integration.LogLevel.ValueType = integration.ERROR,
        **context: str,
    ) -> None:
        """Tell the device's application that something is wrong."""
        event = integration.LogEvent(level=level, code=code, description=text, context=context)
        self.tell(device, "log", event)

    def send(self, frame: gw.DownlinkFrame) -> None:
        """Hand a frame to the gateway that it names."""
        self._out.append(Downlink(frame=frame))

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
