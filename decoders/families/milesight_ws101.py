"""Milesight WS101, the smart button: a long press is a call for help.

Source: https://github.com/Milesight-IoT/SensorDecoders, ws-series/ws101/README.md. It has no
count of presses and does not repeat: its maker's decoder puts a random number where one would be.
"""

from __future__ import annotations

from decoders import milesight
from decoders.downlink import Downlink, Encoded, Order, only, within
from decoders.family import Decoder
from decoders.milesight import Channel
from khaen.reading import Event, EventKind

LONG_PRESS = 2
INTERVAL = bytes((0xFF, 0x03))
LONGEST_INTERVAL = 1080
"""Minutes."""


def _press(data: bytes) -> tuple[Event, ...]:
    """1 is a short, 2 a long, 3 a double press."""
    kind = EventKind.SOS if data[0] == LONG_PRESS else EventKind.BUTTON
    return (Event(kind=kind, detail={"code": float(data[0])}),)


TABLE: milesight.ChannelTable = {
    **milesight.answers({0x03: 2, 0x10: 1, 0x28: 1, 0x2F: 1, 0x3E: 1, 0x74: 1}),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0xFF, 0x2E): Channel(length=1, events=_press),
}


def encode(downlink: Downlink) -> Encoded:
    """The reporting interval; the button's own buzzer can only be switched on or off."""
    only(downlink, Order.INTERVAL)
    seconds = within(downlink, 1, LONGEST_INTERVAL) * 60
    return Encoded(f_port=milesight.F_PORT, payload=INTERVAL + seconds.to_bytes(2, "little"))


DECODER = Decoder(
    id="milesight_ws101",
    version=1,
    maker="Milesight",
    model="WS101",
    sos_capable=True,
    priority_f_ports=frozenset({milesight.F_PORT}),
    quantities=milesight.quantities(TABLE),
    # A call must not depend on the port, nor on what stands before it.
    decode=milesight.reader(TABLE, urgent=bytes((0xFF, 0x2E, LONG_PRESS))),
    encode=encode,
)
