"""The wristband: its counts, its battery, what it says and what it hears."""

from __future__ import annotations

from decoders.downlink import Order
from decoders.wristband import DOWNLINK_PORT, parse_downlink
from simulators.devices.device import Message
from simulators.payloads import wristband
from simulators.payloads.wristband import Stage, Telemetry

_LASTS_HOURS = 96.0
"""A charge."""
_CHARGES_IN_HOURS = 1.5
_LOWEST = 5.0


class Band:
    """One band. `waiting`: its wearer has called, and nobody has told her that help comes."""

    __slots__ = ("_battery", "_falls", "_presses", "answer", "waiting")

    def __init__(self, *, battery: float, presses: int, falls: int) -> None:
        self._battery, self._presses, self._falls = battery, presses, falls
        self.answer = 0
        """Number of the last downlink that was taken, 1 to 15."""
        self.waiting = False

    @property
    def battery(self) -> int:
        """Whole % of charge."""
        return round(self._battery)

    def live(self, hours: float, *, charging: bool) -> None:
        """Time passes."""
        gained = hours / _CHARGES_IN_HOURS if charging else -hours / _LASTS_HOURS
        self._battery = min(100.0, max(_LOWEST, self._battery + 100.0 * gained))

    def press(self) -> int:
        """The button is pressed: the press count of the call."""
        self._presses = (self._presses + 1) & 0xFF
        self.waiting = True
        return self._presses

    def strike(self) -> int:
        """The band takes something for the impact of a fall: the fall count."""
        self._falls = (self._falls + 1) & 0xFF
        return self._falls

    def hear(self, f_port: int, payload: bytes) -> None:
        """Take a downlink; what is not understood is ignored."""
        heard = parse_downlink(payload) if f_port == DOWNLINK_PORT else None
        if heard is None:
            return
        self.answer = heard.number
        if heard.order in (Order.ACCEPTED, Order.ON_THE_WAY):
            self.waiting = False

    def telemetry(self, values: Telemetry) -> Message:
        """The regular message."""
        payload = wristband.encode_telemetry(values)
        return Message(f_port=wristband.TELEMETRY_PORT, payload=payload)

    def call(self, press: int, age: float, *, worn: bool) -> Message:
        """A call for help `age` seconds after the press."""
        payload = wristband.encode_sos(press=press, battery=self.battery, age=int(age), worn=worn)
        return Message(f_port=wristband.SOS_PORT, payload=payload, confirmed=True)

    def fall(self, stage: Stage, fall: int, age: float, *, worn: bool) -> Message:
        """What there is to say of a fall `age` seconds after the impact."""
        payload = wristband.encode_fall(
            stage, fall=fall, battery=self.battery, age=int(age), worn=worn
        )
        return Message(f_port=wristband.FALL_PORT, payload=payload, confirmed=True)
