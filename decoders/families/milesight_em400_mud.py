"""Milesight EM400-MUD: distance to what is in a bin, its temperature, and whether it lies tilted.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em400-mud/README.md and its
decoder (the channels with an alarm). It does not know how deep the bin is.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_TEMPERATURE = (Number(quantity="air_temperature", form="i16", divide=10),)
_DISTANCE = (Number(quantity="distance", form="u16", divide=1000),)  # mm

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x13: 1, 0x1C: 2, 0x28: 1, 0x3E: 1, 0x4A: 1,
            0x56: 1, 0x70: 2, 0x71: 1, 0x77: 2,
        }
    ),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x67): Channel(length=2, numbers=_TEMPERATURE),
    (0x04, 0x82): Channel(length=2, numbers=_DISTANCE),
    (0x05, 0x00): Channel(length=1, numbers=(Number(quantity="tilt", form="u8"),)),
    # With the device's own alarm behind the value; Khaen's rules decide on the value.
    (0x83, 0x67): Channel(length=3, numbers=_TEMPERATURE),
    (0x84, 0x82): Channel(length=3, numbers=_DISTANCE),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_em400_mud",
    version=1,
    maker="Milesight",
    model="EM400-MUD",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
