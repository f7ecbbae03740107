"""Milesight EM500-PP: pressure in a pipe.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-pp/README.md and its
decoder (history).
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x7B): Channel(length=2, numbers=(Number(quantity="gauge_pressure", form="i16"),)),
    (0x20, 0xCE): Channel(
        length=6,
        dated=True,
        numbers=(Number(quantity="gauge_pressure", form="i16", at=4),),
    ),
}


DECODER = Decoder(
    id="milesight_em500_pp",
    version=1,
    maker="Milesight",
    model="EM500-PP",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
