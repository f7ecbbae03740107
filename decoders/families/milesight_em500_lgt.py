"""Milesight EM500-LGT: light outdoors.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-lgt/README.md.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x94): Channel(length=4, numbers=(Number(quantity="illuminance", form="u32"),)),
    (0x20, 0xCE): Channel(
        length=8,
        dated=True,
        numbers=(Number(quantity="illuminance", form="u32", at=4),),
    ),
}


DECODER = Decoder(
    id="milesight_em500_lgt",
    version=1,
    maker="Milesight",
    model="EM500-LGT",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
