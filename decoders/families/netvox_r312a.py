"""Netvox R312A: an emergency button.

Source: https://github.com/TheThingsNetwork/lorawan-devices,
vendor/netvox/payload/rb02i_r718t_r312a_r312.js and r312a-codec.yaml. Byte 0 is the version, 1 the
device type, 2 the kind of report: 0 at the start, 1 the state. Ports 7 and 13 answer downlinks.

Differs from the published codec: a low battery is a reading of its own, and no text in the place
of a number; the state is read on any other port, and of any device type.
"""

from __future__ import annotations

from decoders import layout
from decoders.downlink import Downlink, Encoded, Order, only, within
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Warn

F_PORT = 6
SETTINGS_PORT = 7
ANSWERS = (SETTINGS_PORT, 13)
CONFIGURE, R312A = 1, 0x4D
LONGEST_INTERVAL = 0xFFFF // 60
"""Minutes; the device takes seconds in 16 bits."""
STARTED, STATE = 0, 1
REPORT_AT, ALARM_AT = 2, 4
LENGTH = 11

FIELDS = (
    Field(quantity="battery_voltage", at=3, mask=0x7F, divide=10),
    Field(quantity="battery_low", at=3, shift=7),
)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; what only answers or introduces says nothing."""
    report = payload[REPORT_AT] if len(payload) > REPORT_AT else None
    if f_port in ANSWERS or report == STARTED:
        return Decoded()
    if report not in (STATE, None):
        return Decoded(warnings=(Warn(text=f"unknown report {report}", offset=REPORT_AT),))
    pressed = len(payload) > ALARM_AT and payload[ALARM_AT] > 0
    return Decoded(
        readings=tuple(layout.read(FIELDS, payload)),
        events=(Event(kind=EventKind.SOS),) if pressed else (),
        warnings=layout.check(payload, LENGTH, LENGTH),
    )


def encode(downlink: Downlink) -> Encoded:
    """The least and the greatest interval, and that a tenth of a volt is reported."""
    only(downlink, Order.INTERVAL)
    seconds = (within(downlink, 1, LONGEST_INTERVAL) * 60).to_bytes(2, "big")
    payload = bytes((CONFIGURE, R312A)) + seconds + seconds + bytes((1, 0, 0, 0, 0))
    return Encoded(f_port=SETTINGS_PORT, payload=payload)


DECODER = Decoder(
    id="netvox_r312a",
    version=1,
    maker="Netvox",
    model="R312A",
    sos_capable=True,
    priority_f_ports=frozenset({F_PORT}),
    quantities=layout.quantities(FIELDS),
    decode=decode,
    encode=encode,
)
