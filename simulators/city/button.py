"""Milesight WS101 on a wall: it says now and then that its battery is well, and is pressed."""

from __future__ import annotations

from simulators.city.sensor import Sensor, Values, percent
from simulators.devices.device import Message
from simulators.payloads import milesight
from simulators.payloads.milesight import Press


class Button(Sensor):
    """It measures nothing."""

    f_port = milesight.F_PORT

    def measure(self, hours: float) -> Values:
        """Nothing."""
        del hours
        return {}

    def encode(self, values: Values, charge: float) -> bytes:
        """Its battery alone."""
        del values
        return milesight.encode_ws101(None, battery=percent(charge))

    def press(self, how: Press) -> Message:
        """Somebody presses it."""
        return Message(f_port=self.f_port, payload=milesight.encode_ws101(how))
