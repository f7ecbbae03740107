"""Milesight EM300-SLD and EM300-ZLD: whether water is where none should be, and the air beside it.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em300-sld/README.md and
em-series/em300-zld/README.md: a spot and a rope, one payload.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM300_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.CLIMATE,
    (0x05, 0x00): Channel(length=1, numbers=(Number(quantity="leak", form="u8"),)),
    (0x20, 0xCE): Channel(
        length=8,
        dated=True,
        numbers=(*milesight.CLIMATE_HISTORY, Number(quantity="leak", form="u8", at=7)),
    ),
}


DECODER = Decoder(
    id="milesight_em300_sld",
    version=1,
    maker="Milesight",
    model="EM300-SLD, EM300-ZLD",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
