"""Milesight WS558: a controller of eight lines of lights, with a meter for all of them.

Source: https://github.com/Milesight-IoT/SensorDecoders, ws-series/ws558/README.md. Lines are
channels `1` to `8`. Of the two bytes of switches the second is their state. Its maker's decoder
takes power and energy for signed.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

LINES = range(8)

TABLE: milesight.ChannelTable = {
    **milesight.answers({0x03: 2, 0x10: 1, 0x23: 2, 0x26: 1, 0x27: 1, 0x28: 1, 0x32: 5}),
    **milesight.ATTRIBUTES,
    (0x03, 0x74): Channel(length=2, numbers=(Number(quantity="voltage", form="u16", divide=10),)),
    (0x04, 0x80): Channel(length=4, numbers=(Number(quantity="power_active", form="u32"),)),
    (0x05, 0x81): Channel(
        length=1,
        numbers=(Number(quantity="power_factor", form="u8", divide=100),),  # %
    ),
    (0x06, 0x83): Channel(length=4, numbers=(Number(quantity="energy_import", form="u32"),)),
    (0x07, 0xC9): Channel(
        length=2,
        numbers=(Number(quantity="current", form="u16", divide=1000),),  # mA
    ),
    (0x08, 0x31): Channel(
        length=2,
        numbers=tuple(
            Number(quantity="light_on", form="u8", at=1, bit=line, channel=str(line + 1))
            for line in LINES
        ),
    ),
}


DECODER = Decoder(
    id="milesight_ws558",
    version=1,
    maker="Milesight",
    model="WS558",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
