"""Milesight WS201: how full a container is, by its own measure of the depth.

Source: https://github.com/Milesight-IoT/SensorDecoders, ws-series/ws201/README.md, where the
share is called "remaining": what is left in the container.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.answers({0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x17: 2, 0x28: 1, 0x75: 6, 0x76: 2}),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x82): Channel(
        length=2,
        numbers=(Number(quantity="distance", form="u16", divide=1000),),  # mm
    ),
    (0x04, 0xD6): Channel(length=1, numbers=(Number(quantity="fill_level", form="u8"),)),
}


DECODER = Decoder(
    id="milesight_ws201",
    version=1,
    maker="Milesight",
    model="WS201",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
