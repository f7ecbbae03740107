"""Milesight EM500-UDL: distance to what lies below, by ultrasound.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-udl/README.md. The
distance that comes with an alarm (83 E9) is left out: the table has millimetres, its maker's
decoder tenths of something.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_MM_PER_M = 1000

TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x82): Channel(
        length=2,
        numbers=(Number(quantity="distance", form="u16", divide=_MM_PER_M),),
    ),
    (0x83, 0xE9): Channel(length=5),
    (0x20, 0xCE): Channel(
        length=6,
        dated=True,
        numbers=(Number(quantity="distance", form="u16", at=4, divide=_MM_PER_M),),
    ),
}


DECODER = Decoder(
    id="milesight_em500_udl",
    version=1,
    maker="Milesight",
    model="EM500-UDL",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
