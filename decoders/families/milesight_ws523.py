"""Milesight WS523: a socket that measures what is drawn from it.

Source: https://github.com/Milesight-IoT/SensorDecoders, ws-series/ws523/README.md.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x03: 2, 0x10: 1, 0x22: 4, 0x23: 2, 0x24: 2, 0x25: 2, 0x26: 1, 0x27: 1, 0x28: 1,
            0x2C: 1, 0x2F: 1, 0x30: 2,
        }
    ),
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
    (0x08, 0x70): Channel(length=1),  # the socket is on
}  # fmt: skip


DECODER = Decoder(
    id="milesight_ws523",
    version=1,
    maker="Milesight",
    model="WS523",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
